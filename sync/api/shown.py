"""What goes out about facts, as the contract documents it."""

from drf_spectacular.utils import OpenApiParameter, extend_schema_serializer
from rest_framework import serializers

from sync.http.described import QUERY, ProblemOut

text = serializers.CharField

AFTER = OpenApiParameter(
    "after",
    {"type": "integer", "minimum": 0},
    QUERY,
    description="The last sequence that was read; none: the oldest kept",
)
FEED_AFTER = OpenApiParameter("after", str, QUERY, description="A `cursor`; none: from the oldest kept")
SIGNATURE = {
    "webhook-id": "The message's id: the same at every try",
    "webhook-timestamp": "Seconds since 1970",
    "webhook-signature": "Standard Webhooks: `v1,` and the base64 HMAC-SHA256 of id, timestamp and body",
}
SIGNED = [
    OpenApiParameter(name, str, OpenApiParameter.HEADER, required=True, description=said)
    for name, said in SIGNATURE.items()
]
TYPES = OpenApiParameter("types", str, QUERY, description="Only these event types, separated by commas")


@extend_schema_serializer(component_name="CloudEvent")
class EventOut(serializers.Serializer):
    """CloudEvents 1.0: the one envelope of every fact. `sequence` is the place in the subject's own stream."""

    specversion = serializers.ChoiceField(["1.0"])
    id = serializers.UUIDField()
    source = text()
    type = text()
    subject = serializers.RegexField(r"^(member|order)/")
    time = serializers.DateTimeField()
    datacontenttype = serializers.ChoiceField(["application/json"])
    sequence = serializers.RegexField(r"^[1-9][0-9]*$")
    correlationid = text(required=False)
    data = serializers.DictField()


class EventsOut(serializers.Serializer):
    """Facts of one member in their order, and how many there are."""

    results = EventOut(many=True)
    head = serializers.IntegerField(min_value=0)


class FeedOut(serializers.Serializer):
    """Facts a channel may see, in one total order; `cursor` is where to go on."""

    results = EventOut(many=True)
    cursor = text()
    has_more = serializers.BooleanField()


class TicketOut(serializers.Serializer):
    """What opens one socket, once; `url` is complete, `expires_in` in seconds."""

    ticket = text()
    expires_in = serializers.IntegerField()
    url = text()


class StoredOut(serializers.Serializer):
    """How many facts were stored now, were known, were put aside."""

    accepted = serializers.IntegerField(min_value=0)
    duplicates = serializers.IntegerField(min_value=0)
    quarantined = serializers.IntegerField(min_value=0)


class ResyncRequiredOut(ProblemOut):
    """The events asked for are not kept, or not there yet: read the state, go on from `head`."""

    code = serializers.ChoiceField(["resync_required"])
    head = serializers.IntegerField(min_value=0)


class FeedResyncRequiredOut(ResyncRequiredOut):
    """Something after the cursor is not kept: read the lists anew, then go on with `head` as the cursor."""

    head = text()

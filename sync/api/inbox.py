"""Facts that channels push: stored with a 202, then applied (API §4)."""

import orjson
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.response import Response

from sync import auth, echo, inbox
from sync.api.shown import SIGNED, StoredOut
from sync.http import Choice, Input, Instant, Problem, StrictJson, Text
from sync.receiving import ACCEPTED, CHANNELS, DUPLICATE, QUARANTINED, Fact
from sync.signatures import Signed
from sync.views import ApiView

MOST = 500


class OneEvent(StrictJson):
    media_type = "application/cloudevents+json"


class ManyEvents(StrictJson):
    media_type = "application/cloudevents-batch+json"


class CloudEventIn(Input):
    """The envelope; what is in `data` is judged when it is applied."""

    specversion = Choice(["1.0"])
    id = Text(max_length=255)
    source = Text()
    type = Text(max_length=60)
    subject = Text(max_length=120, required=False)
    time = Instant(required=False)
    data = serializers.DictField()

    def validate_source(self, source: str) -> str:
        if source != self.context["source"]:
            raise serializers.ValidationError(self.context["source"])
        return source


SENT = {
    StrictJson.media_type: CloudEventIn,
    OneEvent.media_type: CloudEventIn,
    ManyEvents.media_type: CloudEventIn(many=True, max_length=MOST),
}


class Inbox(ApiView):
    """POST one CloudEvent or a batch of up to 500. All are stored, or none; work follows, in order per subject."""

    authentication_classes = [Signed]
    parser_classes = [StrictJson, OneEvent, ManyEvents]
    callers = {auth.BACKEND}
    calls_outside = True  # what is stored is applied in acts of its own

    @extend_schema(parameters=SIGNED, request=SENT, responses={202: StoredOut})
    def post(self, request):
        channel = request.auth.channel
        facts = [_fact(event) for event in self._events(request, f"/channels/{channel.code}")]
        sender = f"{CHANNELS}/{channel.code}"
        counts = inbox.store_many(sender, facts)
        inbox.apply_at_once(sender, [fact.subject for fact in facts])
        return Response({name: counts[name] for name in (ACCEPTED, DUPLICATE, QUARANTINED)}, status=202)

    def _events(self, request, source: str) -> list[dict]:
        """What was sent, once every envelope is in order."""
        sent = request.data
        if request.content_type.partition(";")[0].strip().lower() != ManyEvents.media_type:
            CloudEventIn.of(sent, context={"source": source})
            _refuse_our_own({"": sent})
            return [sent]
        if not (isinstance(sent, list) and 0 < len(sent) <= MOST):
            raise Problem("invalid", f"1–{MOST}")
        CloudEventIn(data=sent, many=True, context={"source": source}).is_valid(raise_exception=True)
        _refuse_our_own({f"{place}.": event for place, event in enumerate(sent)})
        return sent


def _refuse_our_own(events: dict[str, dict]) -> None:
    """What the hub itself told is nobody's news: it has a place in a stream, and an id that the hub gave.

    Raises Problem `invalid`.
    """
    errors = [
        (f"{place}sequence", "echo", _("Only the hub's events have one"))
        for place, event in events.items()
        if event.get("sequence") is not None
    ]
    issued = echo.issued(event["id"].strip() for event in events.values())
    told = _("The hub gave this id to an event of its own: give your facts ids of your own")
    errors += [(f"{place}id", "echo", told) for place, event in events.items() if event["id"].strip() in issued]
    if errors:
        raise Problem("invalid", errors=errors)


def _fact(event: dict) -> Fact:
    """An event as the inbox keeps it: in one spelling, so that it is known again however it was sent."""
    event = {**event, "id": event["id"].strip(), "type": event["type"].strip()}
    body = orjson.dumps(event, option=orjson.OPT_SORT_KEYS)
    return Fact(event["id"], event["type"], event.get("subject") or _subject(event), body, echo.chain_of(event))


def _subject(event: dict) -> str:
    """What an event without subject is about: its order, its member, else only itself."""
    data = event["data"]
    for name, keys in (("order", ("external_id", "number")), ("member", ("member_id",))):
        for key in keys:
            if isinstance(data.get(key), str):
                return f"{name}/{data[key]}"[:120]
    return f"event/{event['id']}"[:120]

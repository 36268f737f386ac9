"""Words that every floor uses to describe its endpoints in the served contract (`config/openapi.py`)."""

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, PolymorphicProxySerializer
from rest_framework import serializers

from sync.http.problems import CODES, MORE_TO_SAY

PROBLEM = "application/problem+json"
HEADER, QUERY = OpenApiParameter.HEADER, OpenApiParameter.QUERY

IF_MATCH = OpenApiParameter("If-Match", location=HEADER, description="The ETag that was read")
ETAG = OpenApiParameter("ETag", location=HEADER, response=[200], description="The tag of this representation")
LIMIT = OpenApiParameter("limit", {"type": "integer", "minimum": 1, "maximum": 100, "default": 20}, QUERY)
CURSOR = OpenApiParameter("cursor", OpenApiTypes.STR, QUERY, description="As `next` and `previous` give it")
PAGED = [LIMIT, CURSOR]


class FaultOut(serializers.Serializer):
    """What is wrong with one field; `field` is empty for the body as a whole."""

    field = serializers.CharField()
    code = serializers.CharField()
    detail = serializers.CharField()


class ProblemOut(serializers.Serializer):
    """RFC 9457; `type` is /problems/<code>, texts are in the language asked for."""

    type = serializers.CharField()
    title = serializers.CharField()
    status = serializers.IntegerField()
    detail = serializers.CharField()
    code = serializers.ChoiceField([code for code in CODES if code not in MORE_TO_SAY])
    errors = FaultOut(many=True)
    request_id = serializers.CharField()


class PageOut(serializers.Serializer):
    """One page of a list: where its neighbours are. Its kinds name their `results`."""

    next = serializers.URLField(allow_null=True)
    previous = serializers.URLField(allow_null=True)


def refusal(problem: type[ProblemOut]) -> dict:
    """The answers to declare for a problem that says more than others do: itself, or a plain one of its status."""
    code = next(iter(problem().fields["code"].choices))
    name = f"{problem.__name__.removesuffix('Out')}OrOther"
    either = PolymorphicProxySerializer(name, [ProblemOut, problem], resource_type_field_name=None)
    return {(CODES[code][0], PROBLEM): either}

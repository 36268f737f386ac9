"""What the endpoints of signing in take and give."""

import re
from ipaddress import ip_address, ip_network

from django.conf import settings
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import OpenApiParameter
from rest_framework import serializers
from rest_framework.response import Response

from members import linking, queries
from members.models import Member
from members.signing_in import ConsentMissing, SignedIn
from sync import clock
from sync.http import Input, Problem, Text
from sync.http.described import HEADER

DEVICE = re.compile(r"[A-Za-z0-9._-]{1,64}")
DEVICE_ID = OpenApiParameter(
    "X-Device-ID",
    {"type": "string", "pattern": f"^{DEVICE.pattern}$"},
    HEADER,
    description="An id that the client keeps for itself; codes are counted per device as well",
)


class Id(serializers.UUIDField):
    """A UUID as JSON writes it: a string."""

    def to_internal_value(self, data):
        if not isinstance(data, str):
            self.fail("invalid", value="")
        return super().to_internal_value(data)


class ConsentIn(Input):
    """Agreement to one version of one policy."""

    purpose = Text(max_length=40)
    version = Text(max_length=20)


def consents() -> ConsentIn:
    """The field `consents` of everything that may register somebody."""
    return ConsentIn(many=True, required=False, default=list, max_length=20)


class CodeIn(Input):
    """The code of an SMS challenge."""

    challenge_id = Id()
    code = Text(max_length=20)


def address_of(request) -> str:
    """The client's address: the last hop's word when a proxy of ours stands in front."""
    forwarded = request.META.get("HTTP_X_FORWARDED_FOR", "")
    if forwarded and getattr(settings, "SECURE_PROXY_SSL_HEADER", None):
        return forwarded.rpartition(",")[2].strip()
    return request.META.get("REMOTE_ADDR", "")


def whereabouts(request) -> str:
    """What quotas count as one address: of IPv6 the /64 that a single household or server has to itself."""
    given = address_of(request)
    try:
        address = ip_address(given)
    except ValueError:
        return given
    if address.version == 4 or address.ipv4_mapped:
        return str(getattr(address, "ipv4_mapped", None) or address)
    return str(ip_network((int(address) >> 64 << 64, 64)))


def device_of(request) -> str:
    """What the client calls itself."""
    return request.headers.get("User-Agent", "").replace("\0", "")[:200]


def device_id(request) -> str:
    """The id a client gave itself in X-Device-ID, empty when it gave none; raises Problem `invalid` for another word.

    It is the client's own word: it widens no quota, and one that is sent again is counted.
    """
    given = request.headers.get("X-Device-ID", "")
    if given and not DEVICE.fullmatch(given):
        raise Problem.field("X-Device-ID", _("Send 1 to 64 letters, digits, dots, dashes or underscores"))
    return given


def secret_answer(body: dict, status: int = 200) -> Response:
    """An answer that nobody on the way may keep."""
    return Response(body, status=status, headers={"Cache-Control": "no-store"})


def as_session(outcome: SignedIn | ConsentMissing) -> Response:
    """The *session* of the contract; raises Problem `consent_required` for somebody who has not agreed yet."""
    if isinstance(outcome, ConsentMissing):
        required = [queries.as_policy(policy) for policy in outcome.required]
        raise Problem("consent_required", required=required, registration_token=outcome.token)
    head = queries.head_of(outcome.member.id)  # read first: news that follow are told again, never missed
    member = Member.objects.get(pk=outcome.member.id)
    return secret_answer(
        {
            "tokens": outcome.tokens.as_dict(outcome.session, clock.now()),
            "member": queries.as_me(member, on=outcome.session.channel),
            "head": head,
            "created": outcome.created,
            "linked": outcome.linked,
            "absorbed_member_id": outcome.absorbed and str(outcome.absorbed),
            "link_case": outcome.case and linking.as_case(outcome.case),
            "assurance": outcome.session.assurance,
        }
    )

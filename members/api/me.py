"""The member's own view of themselves."""

import re
from datetime import date

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.utils.translation import gettext_lazy as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.response import Response

from members import profile, queries
from members.api.shown import MeOut, VersionConflictOut
from members.models import Member
from sync import clock
from sync.http import Choice, Input, Problem, Text, etag, require_match
from sync.http.described import ETAG, IF_MATCH, refusal
from sync.views import MemberView

DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


@extend_schema_field(OpenApiTypes.DATE)
class Birthday(serializers.Field):
    """A day like 1990-05-17, not before 1900, not in the future."""

    default_error_messages = {"invalid": _("Send a day like 1990-05-17 that has been")}

    def to_internal_value(self, data):
        try:
            day = date.fromisoformat(data) if isinstance(data, str) and DAY.fullmatch(data) else None
        except ValueError:
            day = None
        if day is None or not date(1900, 1, 1) <= day <= clock.now().date():
            self.fail("invalid")
        return day

    def to_representation(self, value):
        return value.isoformat()


class Email(Text):
    """An address like name@example.cn, or empty for none."""

    default_error_messages = {
        "email": _("This is not an e-mail address"),
        "masked": _("This is a mask, not an address"),
    }

    def to_internal_value(self, data):
        address = super().to_internal_value(data)
        if "***" in address:  # as a channel is shown it: written back, it would be all that is left
            self.fail("masked")
        try:
            validate_email(address)
        except ValidationError:
            self.fail("email")
        return address


class ProfileIn(Input):
    """What a member may change of themselves; what is not named stays."""

    nickname = Text(max_length=40, allow_blank=True, required=False)
    gender = Choice(choices=Member.Gender.values, required=False)
    birthday = Birthday(allow_null=True, required=False)
    email = Email(max_length=254, allow_null=True, allow_blank=True, required=False)

    def validate_email(self, value):
        return value or None


class Me(MemberView):
    """GET the member; PATCH nickname, gender, birthday, email with the ETag that was read."""

    @extend_schema(parameters=[ETAG], responses=MeOut)
    def get(self, request):
        return shown(Member.objects.get(pk=request.auth.member), request)

    @extend_schema(
        request=ProfileIn, parameters=[IF_MATCH, ETAG], responses={200: MeOut, **refusal(VersionConflictOut)}
    )
    def patch(self, request):
        said = profile.Said(ProfileIn.read(request), request.auth.channel, has_seen=True)
        member, _none = profile.write(
            request.auth.member, said, by=request.user, unless=lambda member: refuse_unseen(member, request)
        )
        return shown(member, request)


def refuse_unseen(member: Member, request, *, required: bool = True) -> None:
    """428 without If-Match (where required), 412 when the member is not as it was read, 401 when they were absorbed."""
    if member.id != request.auth.member:
        raise Problem("token_revoked")
    require_match(request, represented(member, request), required=required)


def shown(member: Member, request) -> Response:
    """The member with the ETag of exactly this representation."""
    body = represented(member, request)
    return Response(body, headers={"ETag": etag(body), "Cache-Control": "private, no-cache"})


def represented(member: Member, request) -> dict:
    """The member to themselves, on the channel of the session."""
    return queries.as_me(member, on=request.auth.channel)

"""Members as channel backends name and see them."""

from uuid import UUID

from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema
from rest_framework.response import Response

from members import profile, queries
from members.api.codes import MEMBER_CODE, CodeView, code_of
from members.api.me import ProfileIn
from members.api.shown import ResolvedOut, SeenMemberOut, SeenVersionConflictOut, WrittenMemberOut
from members.models import Identity, Member
from members.resolving import Agreed, Person, Said, resolve
from sync import clock
from sync.http import Choice, Input, Instant, Problem, Text, etag, require_match
from sync.http.described import ETAG, IF_MATCH, refusal
from sync.models import Channel
from sync.secret import InvalidPhone, mask_email, phone
from sync.views import ChannelView

MOST = 10  # identities of one person


class IdentityIn(Input):
    """One identity a channel knows a person by."""

    kind = Choice(choices=[*Identity.Kind.values, MEMBER_CODE])
    value = Text(max_length=128)
    app_id = Text(max_length=64, required=False, allow_blank=True)

    def validate(self, attrs):
        """A phone must be one."""
        if attrs["kind"] == Identity.Kind.PHONE:
            try:
                attrs["value"] = phone(attrs["value"])
            except InvalidPhone as error:
                raise Problem.field("identities", _("This is not a mobile number")) from error
        return attrs


class AgreedIn(Input):
    """A consent the channel took."""

    purpose = Text(max_length=40)
    version = Text(max_length=20)
    granted_at = Instant()
    evidence = Text(max_length=200)


class ResolveIn(Input):
    identities = IdentityIn(many=True, min_length=1, max_length=MOST)
    profile = ProfileIn(required=False)
    consents = AgreedIn(many=True, required=False, default=list, max_length=20)
    occurred_at = Instant(required=False)

    def validate(self, attrs):
        """Nothing has happened in the future."""
        latest = clock.now() + profile.AHEAD
        given = [attrs["occurred_at"]] if "occurred_at" in attrs else []
        if any(time > latest for time in [*given, *(consent["granted_at"] for consent in attrs["consents"])]):
            raise Problem.field("occurred_at", _("This is in the future"))
        return attrs


class Resolve(CodeView):
    """POST what the channel knows of a person; the answer is the member to write to. Safe to repeat.

    A code that the person shows at a till finds its member, never makes one, and lets the channel see them.
    """

    scope = "members:write"

    @extend_schema(request=ResolveIn, responses=ResolvedOut)
    def post(self, request):
        given, channel = ResolveIn.read(request), request.auth.channel
        shown = self.who_shows(given["identities"])
        said = [
            Said(item["kind"], item["value"], namespace(item, channel))
            for item in given["identities"]
            if item["kind"] != MEMBER_CODE
        ]
        agreed = [Agreed(c["purpose"], c["version"], c["granted_at"], c["evidence"]) for c in given["consents"]]
        person = Person(said, dict(given.get("profile", {})), agreed, shown, given.get("occurred_at"))
        member, created = resolve(person, channel=channel, by=request.user)
        return Response({"member": {"id": str(member.id)}, "created": created})

    def codes_in(self, body) -> set[str]:
        """The codes among the identities."""
        named = body.get("identities") if isinstance(body, dict) else None
        return set().union(*map(code_of, named[:MOST])) if isinstance(named, list) else set()

    def who_shows(self, identities: list[dict]) -> frozenset[UUID]:
        """The members whose codes these are; raises Problem `code_invalid` for one that is nobody's."""
        holders = [self.presented.get(item["value"]) for item in identities if item["kind"] == MEMBER_CODE]
        if None in holders:
            raise Problem("code_invalid")
        return frozenset(holder.pk for holder in holders)


def namespace(item: dict, channel: Channel, field: str = "identities") -> str:
    """Where the value is unique: the channel's own app or its own numbers; raises Problem `invalid` for another app."""
    if item["kind"] == Identity.Kind.EXTERNAL:
        return channel.code
    if item["kind"] != Identity.Kind.WECHAT_OPENID:
        return ""
    if not channel.app_id or item.get("app_id") not in {None, "", channel.app_id}:
        raise Problem.field(field, _("This is not an app of the channel"))
    return channel.app_id


class ChangeIn(ProfileIn):
    """What a channel says of a member, and when it was true: now, unless said."""

    occurred_at = Instant(required=False)

    @classmethod
    def said(cls, given: dict, channel: Channel, **more) -> profile.Said:
        """The same as the profile takes it."""
        values = {name: value for name, value in given.items() if name in ProfileIn().fields}
        return profile.Said(values, channel, given.get("occurred_at"), **more)


class OneMember(ChannelView):
    """GET a member the channel may see; one who was absorbed answers with who absorbed them. PATCH what it knows.

    Field by field an older word never overwrites a newer one: `superseded` says which.
    """

    @property
    def scope(self):
        return "members:read" if self.request.method in {"GET", "HEAD"} else "members:write"

    @extend_schema(parameters=[ETAG], responses=SeenMemberOut)
    def get(self, request, member_id):
        body = seen(queries.may_see(request.auth.channel, member_id), request, member_id)
        return Response(body, headers={"ETag": etag(body)})

    @extend_schema(
        request=ChangeIn,
        parameters=[IF_MATCH, ETAG],
        responses={200: WrittenMemberOut, **refusal(SeenVersionConflictOut)},
    )
    def patch(self, request, member_id):
        given, channel = ChangeIn.read(request), request.auth.channel
        known = queries.may_see(channel, member_id)
        said = ChangeIn.said(given, channel, has_seen="If-Match" in request.headers)

        def unless(member: Member) -> None:
            require_match(request, seen(member, request, member_id), required=False)

        member, superseded = profile.write(known.id, said, by=request.user, unless=unless)
        body = seen(member, request, member_id)
        return Response(body | {"superseded": superseded}, headers={"ETag": etag(body)})


def seen(member: Member, request, asked: UUID) -> dict:
    """The member to a channel; `merged_into` when another was asked for."""
    body = queries.as_me(member, seen_by=request.auth.channel)
    absorbed = str(member.id) if member.id != asked else None
    masked = {"email": mask_email(member.email)} if "email" in body else {}
    return body | masked | {"merged_into": absorbed}

"""Points that channels tell of, applied by the inbox: the same acts, under the same rules, as when they are posted."""

from datetime import datetime
from uuid import UUID

from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from rest_framework.exceptions import ValidationError

from loyalty import ledger, services
from loyalty.api.presence import is_shown
from loyalty.api.shapes import AHEAD, EntryIn, refusals
from loyalty.ledger import Posted
from loyalty.models import Entry
from loyalty.services.posting import source_of
from members import codes
from members.api.channel import IdentityIn, namespace
from members.api.codes import MEMBER_CODE
from members.api.shapes import Id
from members.models import Member
from members.queries import may_reach
from members.resolving import Said, holder_of
from sync.act import Actor
from sync.http import Choice, Input, Problem, Text
from sync.http.problems import flattened
from sync.models import Channel


class WhoseIn(Input):
    """Whose points they are: the id the hub gave, or an identity the hub knows."""

    member_id = Id(required=False, allow_null=True)
    identity = IdentityIn(required=False, allow_null=True)


class EarnedIn(WhoseIn, EntryIn):
    """The body of a POST of points, and whose they are; the type of the fact says the kind."""

    kind = Choice(choices=["earn"], default="earn")


class SpentIn(WhoseIn, EntryIn):
    """The same of a spending."""

    kind = Choice(choices=["spend"], default="spend")


class ReversedIn(WhoseIn):
    """The entry, by its id or by the reference the channel gave it."""

    entry = Id(required=False)
    reference = Text(max_length=120, required=False)


def earned(channel: Channel, data: dict, occurred_at: datetime, by: Actor) -> Posted:
    """`points.earned`. Told twice, or posted as well, it is one entry. Raises Problem."""
    asked = read(EarnedIn, data, occurred_at)
    named = {"available_at": asked.get("pending_until"), "expires_at": asked.get("expires_at")}
    return _book(channel, whose(channel, asked), asked, by, **named)


def spent(channel: Channel, data: dict, occurred_at: datetime, by: Actor) -> Posted:
    """`points.spent`. The member must be there, as when it is posted. Told twice it is one entry. Raises Problem."""
    asked = read(SpentIn, data, occurred_at)
    if (asked.get("identity") or {}).get("kind") == MEMBER_CODE:
        asked["proof"] = asked["identity"]
    member, proof = whose(channel, asked), asked.get("proof")
    holder = codes.holder(channel, proof["value"]) if proof else None
    with refusals():
        is_present = is_shown(member, holder, asked=asked, by=by)
    return _book(channel, member, asked, by, is_present=is_present)


def reversed_(channel: Channel, data: dict, occurred_at: datetime, by: Actor) -> Posted:
    """`points.reversed`: an entry of the channel's own is undone, once. Raises Problem."""
    asked = read(ReversedIn, data, occurred_at)
    with refusals():
        return services.reverse(entry=asked.get("entry") or _named(channel, asked, by), by=by)


def read(shape: type[Input], data: dict, occurred_at: datetime) -> dict:
    """What a fact says; raises Problem `invalid`."""
    if occurred_at > timezone.now() + AHEAD:
        raise Problem.field("time", _("This is in the future"))
    try:
        return shape.of(data)
    except ValidationError as error:
        raise Problem("invalid", errors=list(flattened(error.detail))) from error


def whose(channel: Channel, asked: dict) -> Member:
    """The member a fact is about; raises Problem `not_found`, `code_invalid`, `invalid` when it names nobody."""
    if asked.get("member_id"):
        return may_reach(channel, asked["member_id"])
    if not asked.get("identity"):
        raise Problem.field("member_id", _("Say whose points they are"), "required")
    holder = _holder(channel, asked["identity"])
    if holder is None:
        raise Problem("not_found")
    return Member.objects.get(pk=holder)


def _holder(channel: Channel, identity: dict) -> UUID | None:
    if identity["kind"] != MEMBER_CODE:
        return holder_of(Said(identity["kind"], identity["value"], namespace(identity, channel)), channel)
    if shown := codes.holder(channel, identity["value"]):
        return shown.pk
    raise Problem("code_invalid")


def _book(channel: Channel, member: Member, asked: dict, by: Actor, **more) -> Posted:
    named = {name: asked[name] for name in ("kind", "points", "reference", "reason")}
    with refusals():
        return services.book(member=member.pk, channel=channel, by=by, **named, **more)


def _named(channel: Channel, asked: dict, by: Actor) -> UUID:
    """The entry of a reference; raises Problem `not_found`, and `invalid` where several members have one."""
    if "reference" not in asked:
        raise Problem.field("reference", _("Name the entry or its reference"), "required")
    kinds = [Entry.Kind.EARNED, Entry.Kind.SPENT]
    if asked.get("member_id") or asked.get("identity"):
        known = ledger.known(whose(channel, asked).pk, source_of(by), asked["reference"])
        found = [known.pk] if known and known.kind in kinds else []
    else:
        own = Entry.objects.filter(source=source_of(by), reference=asked["reference"], kind__in=kinds)
        found = list(own.values_list("pk", flat=True)[:2])
    if len(found) > 1:
        raise Problem.field("member_id", _("Say whose points they are"), "required")
    if not found:
        raise Problem("not_found")
    return found[0]

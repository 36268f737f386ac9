"""Whose order it is: the member a channel names, or the one behind an identity it knows."""

from uuid import UUID

from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from members import queries as members
from members import resolving
from members.models import Identity, Member
from orders.models import Recipient
from sync import secret
from sync.http import Problem
from sync.models import Channel

OWN = ("attested", "asserted")


def buyer(channel: Channel, asked: dict) -> UUID | None:
    """The member to whom an order as asked for belongs; None for a guest.

    Raises Problem `not_found` for a `member_id` the channel does not see, `invalid` for another channel's app.
    """
    if asked.get("member_id"):
        return members.may_see(channel, asked["member_id"]).pk
    return by_identity(channel, **asked["identity"]) if asked.get("identity") else None


def is_by_phone(asked: dict) -> bool:
    """Whether it is a phone that tells whose it is."""
    return (asked.get("identity") or {}).get("kind") == "phone"


def contact(asked: dict) -> dict | None:
    """How to reach the buyer: as asked, else the phone that was to name them."""
    if asked.get("contact") or not is_by_phone(asked):
        return asked.get("contact")
    return {"phone": asked["identity"]["value"], "name": ""}


def by_identity(channel: Channel, *, kind: str, value: str, app_id: str = "") -> UUID | None:
    """The member an identity leads to: the hub's own proof first, then what this channel asserted; None if unknown.

    Raises Problem `rate_limited` when the channel names too many new phones of one mask.
    """
    if kind == "phone":
        _count_new(channel, value)
    known = Identity.objects.filter(
        Q(proof="verified") | Q(proof__in=OWN, channel=channel),
        kind=kind,
        namespace=namespace(channel, kind, app_id),
        value_index=secret.blind_index(kind, value),
        member__status__in=[Member.Status.ACTIVE, Member.Status.FROZEN],
    )
    found = sorted(known, key=lambda identity: identity.proof != "verified")
    return found[0].member_id if found else None


def _count_new(channel: Channel, phone: str) -> None:
    """Ordering for a phone tells whose it is, as `resolve` does: one that is new to the channel counts there, too."""
    found = {"phone_index": secret.blind_index("phone", phone), "order__channel": channel}
    said = resolving.Said("phone", phone)
    spoken = Identity.objects.filter(**said.where, proof__in=OWN, channel=channel)
    if not spoken.exists() and not Recipient.objects.filter(**found).exists():
        resolving.count_mask(said, channel)


def namespace(channel: Channel, kind: str, app_id: str) -> str:
    """Where a value of this kind is unique; a channel speaks only for its own app and its own numbers."""
    if kind == "external":
        return channel.code
    if kind != "wechat_openid":
        return ""
    if (app_id or channel.app_id) != channel.app_id or not channel.app_id:
        raise Problem.field("identity.app_id", _("This is not an app of the channel"))
    return channel.app_id

"""Where goods may go to: a member's own book, encrypted. There is one default as long as there is any address."""

from collections.abc import Callable
from uuid import UUID

from django.conf import settings
from django.db.models import F
from django.utils.translation import gettext_lazy as _

from members import services
from members.models import Address, Member
from sync import events
from sync.act import Actor, act
from sync.clock import Clock
from sync.http import Problem
from sync.secret import mask_phone


def as_address(address: Address) -> dict:
    """One address as the contract shows it; the phone masked, to its owner as well."""
    return {
        "id": str(address.id),
        "receiver": address.receiver,
        "phone": mask_phone(address.phone),
        "province": address.province,
        "city": address.city,
        "district": address.district,
        "street": address.street,
        "postcode": address.postcode,
        "is_default": address.is_default,
        "version": address.version,
    }


def find(member_id: UUID, address_id: UUID) -> Address:
    """An address of the member's own; raises Problem `not_found`."""
    if found := Address.objects.filter(member=member_id, pk=address_id).first():
        return found
    raise Problem("not_found")


@act
def add(*, member_id: UUID, fields: dict, by: Actor) -> Address:
    """Write a new address down; the first is the default. Raises Problem `invalid` when the book is full."""
    member = _owner(member_id)
    kept = Address.objects.filter(member=member).count()
    if kept >= settings.ADDRESSES_PER_MEMBER:
        raise Problem("invalid", errors=[("", "too_many", _("The address book is full: delete one first"))])
    made = Address(member=member, **fields)
    made.is_default = made.is_default or not kept
    if made.is_default:
        _no_default(member)
    made.save(force_insert=True)
    made.refresh_from_db(fields=["version"])
    _tell(member, by)
    return made


@act
def change(*, member_id: UUID, address_id: UUID, fields: dict, unless: Callable[[Address], None], by: Actor) -> Address:
    """Change what is named; what is already so changes nothing. A default that is given up goes to the newest other.

    `unless` sees the address as it is and may refuse by raising. Raises Problem `not_found`.
    """
    member = _owner(member_id)
    address = find(member.id, address_id)
    unless(address)
    heir = None
    if address.is_default and fields.get("is_default") is False:
        heir = _newest(member, but=address)
        fields = fields if heir else fields | {"is_default": True}
    news = {name: value for name, value in fields.items() if getattr(address, name) != value}
    if not news:
        return address
    if news.get("is_default"):
        _no_default(member)
    for name, value in news.items():
        setattr(address, name, value)
    address.version, address.updated_at = address.version + 1, Clock()
    address.save(update_fields=[*news, "version", "updated_at"])
    if heir:
        _make_default(heir)
    _tell(member, by)
    return address


@act
def delete(*, member_id: UUID, address_id: UUID, unless: Callable[[Address], None], by: Actor) -> None:
    """Strike an address out; if it was the default, the newest other is. Raises Problem `not_found`."""
    member = _owner(member_id)
    address = find(member.id, address_id)
    unless(address)
    heir = _newest(member, but=address) if address.is_default else None
    address.delete()
    if heir:
        _make_default(heir)
    _tell(member, by)


def _owner(member_id: UUID) -> Member:
    (member,) = services.lock(member_id)
    if member.id != member_id:
        raise Problem("token_revoked")  # absorbed since the token was checked
    return member


def _newest(member: Member, *, but: Address) -> Address | None:
    return Address.objects.filter(member=member).exclude(pk=but.pk).order_by("-id").first()


def _no_default(member: Member) -> None:
    held = Address.objects.filter(member=member, is_default=True)
    held.update(is_default=False, version=F("version") + 1, updated_at=Clock())


def _make_default(heir: Address) -> None:
    Address.objects.filter(pk=heir.pk).update(is_default=True, version=F("version") + 1, updated_at=Clock())


def _tell(member: Member, by: Actor) -> None:
    services.touch(member)
    data = services.changed(member, "addresses")
    events.record("member.updated", subject=events.of_member(member.id), data=data, by=by)

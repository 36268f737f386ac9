"""The profile field by field, the picture, the addresses."""

import json

from members import profile
from members.models import Address, Avatar, FieldWrite, Member
from members.moving.rows import handed
from sync.clock import Clock
from sync.secret import keyed_digest

EMPTY = {"nickname": "", "avatar_url": "", "gender": Member.Gender.UNKNOWN, "birthday": None, "email": None}
WRITTEN_DOWN = ("receiver", "phone", "province", "city", "district", "street", "postcode")
WRITTEN = ("at", "rank", "channel_id", "by", "received_at")


def move(source: Member, target: Member) -> dict:
    """What the target never said comes from the source, with the memory of who wrote it. What it said stays."""
    said = set(FieldWrite.objects.filter(member=target).values_list("field", flat=True))
    filled = [
        name
        for name, empty in EMPTY.items()
        if getattr(target, name) == empty != getattr(source, name) and name not in said
    ]
    _fill(source, target, filled)
    avatar = handed(Avatar.objects.filter(member=source), target) if "avatar_url" in filled else []
    return {"filled": filled, "avatar": avatar} | _hand_addresses(source, target)


def restore(source: Member, target: Member, journal: dict, at: str) -> None:
    """What came from the source is the source's alone again, unless somebody wrote it anew since."""
    ours, theirs = _writes(source), _writes(target)
    left = [
        name
        for name in journal["filled"]
        if getattr(target, name) == getattr(source, name) and _is_same(ours.get(name), theirs.get(name))
    ]
    for name in left:
        setattr(target, name, EMPTY[name])
    target.save(update_fields=left)
    FieldWrite.objects.filter(member=target, field__in=left).delete()
    if "avatar_url" in left:
        handed(Avatar.objects.filter(pk__in=journal["avatar"], member=target), source)
    elif journal["avatar"] and not Avatar.objects.filter(pk__in=journal["avatar"]).exists():
        source.avatar_url = EMPTY["avatar_url"]  # the picture was replaced since: it is nowhere
        source.save(update_fields=["avatar_url"])
    _return_addresses(source, target, journal)


def _fill(source: Member, target: Member, names: list[str]) -> None:
    for name in names:
        setattr(target, name, getattr(source, name))
    target.save(update_fields=names)
    for name, write in _writes(source).items():
        if name in names:
            as_said = {each: getattr(write, each) for each in WRITTEN}
            digest = profile.digest_of(target.id, name, getattr(target, name))
            FieldWrite.objects.create(member=target, field=name, value_digest=digest, **as_said)


def _writes(member: Member) -> dict[str, FieldWrite]:
    return {write.field: write for write in FieldWrite.objects.filter(member=member)}


def _is_same(one: FieldWrite | None, other: FieldWrite | None) -> bool:
    if one is None or other is None:
        return one is other
    return all(getattr(one, name) == getattr(other, name) for name in WRITTEN)


def _hand_addresses(source: Member, target: Member) -> dict:
    """All of them; of two defaults the target's stands. Keeps which they were."""
    defaults = [_default(member) for member in (source, target)]
    if all(defaults):
        _make_default(defaults[0], is_default=False)
    rows = Address.objects.filter(member=source)
    told = {str(row.pk): _mark(row) for row in rows}
    return {"addresses": handed(rows, target), "marks": told, "defaults": defaults}


def _mark(row: Address) -> str:
    """What tells whether an address was written anew, and to nobody what it says."""
    said = json.dumps([getattr(row, name) for name in WRITTEN_DOWN], ensure_ascii=False)
    return keyed_digest(said, f"address:{row.pk}").hex()


def _return_addresses(source: Member, target: Member, journal: dict) -> None:
    left = Address.objects.filter(pk__in=journal["addresses"], member=target)
    same = [row.pk for row in left if _mark(row) == journal["marks"][str(row.pk)]]
    handed(left.filter(pk__in=same), source)
    for member, default in zip((source, target), journal["defaults"], strict=True):
        if default and _default(member) is None and Address.objects.filter(pk=default, member=member).exists():
            _make_default(default, is_default=True)
    for member in (source, target):  # as long as there is any address, one is the default
        newest = Address.objects.filter(member=member).order_by("-id").values_list("pk", flat=True).first()
        if newest and _default(member) is None:
            _make_default(str(newest), is_default=True)


def _default(member: Member) -> str | None:
    found = Address.objects.filter(member=member, is_default=True).values_list("pk", flat=True).first()
    return found and str(found)


def _make_default(address: str, *, is_default: bool) -> None:
    row = Address.objects.get(pk=address)
    Address.objects.filter(pk=address).update(is_default=is_default, version=row.version + 1, updated_at=Clock())

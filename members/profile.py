"""The profile: last writer wins, field by field, by when it was true and not by when it arrived.

Of two writes of one field the one with the greater (at, rank, channel, digest of the value) stands. That is an order
of the writes alone, so every order of arrival ends in the same profile, and a repeated write changes nothing. A write
of the value that is there already still counts: an older one that comes later must not undo it.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import UUID

from django.utils.translation import gettext_lazy as _

from members import services
from members.models import FieldWrite, Member
from sync import clock, events
from sync.act import Actor, act
from sync.http import Problem
from sync.models import Channel
from sync.secret import keyed_digest

AHEAD = timedelta(minutes=5)  # how far a channel's clock may be
TICK = timedelta(microseconds=1)
AVATAR = "avatar_url"
Rank = FieldWrite.Rank
RANKS = {"member": Rank.MEMBER, "staff": Rank.STAFF}  # of writes of one moment; all others are channels'


@dataclass(frozen=True)
class Said:
    """Values of fields, the channel they came through, and when they were true: now, unless said.

    `has_seen`: the writer was shown what stands, so what is true now comes after it, however far ahead its clock was.
    """

    values: dict
    channel: Channel | None
    at: datetime | None = None
    has_seen: bool = False


@act
def write(
    member_id: UUID, said: Said, *, by: Actor, unless: Callable[[Member], None] = lambda member: None
) -> tuple[Member, list[str]]:
    """Write fields of a member, or of who absorbed them; returns that one and the fields for which a newer word stands.

    `unless` sees the locked member and may refuse by raising. What is already so tells nobody.
    Raises Problem `not_found`, `invalid` for what was true in the future.
    """
    (member,) = services.lock(member_id)
    if member.status == Member.Status.ERASED:
        raise Problem("not_found")
    unless(member)
    known = FieldWrite.objects.filter(member=member, field__in=said.values).select_related("channel")
    standing = {each.field: each for each in known}
    writes = _writes(member, said, by, standing)
    won = {name: each for name, each in writes.items() if name not in standing or _beats(each, standing[name])}
    _keep(won.values())
    news = [name for name in won if getattr(member, name) != said.values[name]]
    if news:
        _change(member, {name: said.values[name] for name in news}, by)
    return member, sorted(name for name in writes if name in standing and _beats(standing[name], writes[name]))


def note(member: Member, said: Said, *, by: Actor) -> None:
    """Keep who said the fields of a member that was made with them in this act."""
    _keep(_writes(member, said, by, {}).values())


def _writes(member: Member, said: Said, by: Actor, standing: dict[str, FieldWrite]) -> dict[str, FieldWrite]:
    now = clock.now()
    at = said.at or now
    if at > now + AHEAD:
        raise Problem.field("occurred_at", _("This is in the future"))

    def written(name: str, value: object) -> FieldWrite:
        seen = standing.get(name) if said.has_seen and said.at is None else None
        return FieldWrite(
            member=member,
            field=name,
            at=max(at, seen.at + TICK) if seen else at,
            rank=RANKS.get(by.kind, Rank.CHANNEL),
            channel=said.channel,
            by=str(by),
            value_digest=digest_of(member.id, name, value),
            received_at=now,
        )

    return {name: written(name, value) for name, value in said.values.items()}


def digest_of(member_id: UUID, field: str, value: object) -> bytes:
    """What decides between two writes of one moment: keyed, and bound to the member, so that it tells nobody what."""
    plain = json.dumps(value.isoformat() if isinstance(value, date) else value, ensure_ascii=False)
    return keyed_digest(plain, f"field-write:{member_id}:{field}")


def _beats(one: FieldWrite, other: FieldWrite) -> bool:
    return _place(one) > _place(other)


def _place(write: FieldWrite) -> tuple:
    return write.at, write.rank, write.channel.code if write.channel else "", bytes(write.value_digest)


def _keep(writes) -> None:
    FieldWrite.objects.bulk_create(
        writes,
        update_conflicts=True,
        unique_fields=["member", "field"],
        update_fields=["at", "rank", "channel", "by", "value_digest", "received_at"],
    )


def _change(member: Member, news: dict, by: Actor) -> None:
    for name, value in news.items():
        setattr(member, name, value)
    member.save(update_fields=[*news])
    services.touch(member)
    data = services.changed(member, *news)
    events.record("member.updated", subject=events.of_member(member.id), data=data, by=by)

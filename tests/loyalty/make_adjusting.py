"""What tests of adjustments are made of: people who ask and approve, reasons, the programme's limits."""

from datetime import date

from django.contrib.auth.models import User

from loyalty import services
from loyalty.models import Account, Adjustment, AdjustmentFile, Bonus, ExpiryNotice, Lot, Programme, Reason
from loyalty.services import adjusting, adjusting_by_file
from members.models import Member
from sync.act import Actor
from sync.models import Channel

HEADER = "member,points,reason,note,reference\n"


def person(name: str = "asker") -> Actor:
    """A person of the staff, as an actor."""
    user, _made = User.objects.get_or_create(username=name, defaults={"is_staff": True})
    return Actor("staff", str(user.pk))


def reason(code: str = "goodwill", **fields) -> Reason:
    """A reason to give or take points for."""
    return Reason.objects.get_or_create(code=code, defaults={"name": code, "direction": "both"} | fields)[0]


def limits(alone: int = 100, per_day: int = 1_000, **fields) -> Programme:
    """The programme with these limits; points never expire."""
    return Programme.objects.update_or_create(
        id=1, defaults={"adjust_alone": alone, "adjust_per_day": per_day} | fields
    )[0]


def adjusted(member: Member, points: int = 50, by: Actor | None = None, **fields) -> Adjustment:
    """What asking for an adjustment gives."""
    known = {"reason": reason(), "note": "碎了两件", "by": by or person()}
    return adjusting.adjust(member=member.pk, points=points, **known | fields)


def content(*lines: str, header: str = HEADER) -> bytes:
    """A file of these lines."""
    return (header + "\n".join(lines)).encode()


def brought(*lines: str, by: Actor | None = None, **fields) -> AdjustmentFile:
    """A file that was brought in and checked, not yet asked for."""
    known = {"name": "points.csv", "content": content(*lines), "among": Member.objects.all(), "channels": []}
    return adjusting_by_file.bring(**known | fields, by=by or person())


def waiting_lot(member: Member, channel: Channel, reference: str = "above") -> Lot:
    """Points above the channel's limit at once."""
    above = channel.earn_per_entry + 1
    by = Actor("channel", channel.code, channel.code)
    services.book(member=member.pk, channel=channel, kind="earn", points=above, reference=reference, by=by)
    return Lot.objects.get(entry__reference=reference, entry__account__member=member)


def one_of_each(member: Member, channel: Channel, name: str = "first") -> None:
    """A row of everything that staff and the clock do to points."""
    limits(per_day=100_000)
    adjusted(member, 5), adjusted(member, 500)
    brought(f"{member.number},5,goodwill,,{name}", channels=[channel.code])
    waiting_lot(member, channel, f"above-{name}")
    account = Account.objects.get(member=member)
    Bonus.objects.create(kind="registration", key=name.encode(), account=account)
    ExpiryNotice.objects.create(account=account, expires_on=date(2027, 1, 1), points=5)

"""Holds for tests of points."""

from datetime import timedelta

from loyalty import services
from loyalty.models import Account, Hold
from members.models import Member
from sync import clock
from tests import make
from tests.loyalty.make_points import execute


def hold(member: Member, points: int = 10, reference: str = "h", by=make.BACKEND) -> Hold:
    """Points that the website's backend (or another's) holds for an hour; the member was there."""
    asked = {"points": points, "reference": reference, "expires_in": timedelta(hours=1), "is_present": True}
    return services.hold(member=member.pk, channel=make.channel(by.channel), by=by, **asked)[0]


def run_out(hold: Hold) -> None:
    """The hold's time is over, and nobody has noticed."""
    ago = "created_at = created_at - interval '2 hours', expires_at = expires_at - interval '2 hours'"
    execute(f"UPDATE loyalty_hold SET {ago} WHERE entry_id = %s", hold.pk)  # noqa: S608 - ours
    Account.objects.filter(pk=hold.account_id).update(due_at=clock.now())

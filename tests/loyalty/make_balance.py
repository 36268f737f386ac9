"""Members to whom everything has happened that pages of points have to explain."""

from dataclasses import replace
from datetime import datetime, timedelta
from types import SimpleNamespace

from loyalty import services
from loyalty.ledger import Moves
from loyalty.models import Account, Entry
from loyalty.services import settling
from members.models import Member
from sync import clock
from sync.act import act
from tests import make
from tests.loyalty.make_holds import hold
from tests.loyalty.make_points import execute, posting
from tests.loyalty.make_purchases import buy, refund

DAY = timedelta(days=1)
ORDER = "D2026112200001"


def storied(**fields) -> SimpleNamespace:
    """Who earned 100, 150 and 15 points: the first expire in 20 days, the last have expired. 130 were spent over two
    lots and 10 given back, 50 of a hold of 80 captured, 20 are held still, 40 pending, 60 wait for staff.

    Left are 60 available and 100 pending points. Returned are the member, the account and the entries by name.
    """
    member = make.member(**fields)
    made = {
        "first": _given(member, 100, "GIFT-1", expires_at=_midnight() + 20 * DAY, reason="开业礼"),
        "second": _given(member, 150, "GIFT-2", expires_at=_midnight() + 300 * DAY),
        "short": _given(member, 15, "GIFT-3", expires_at=clock.now() + 10 * DAY),
    }
    _expire(made["short"])
    made["spent"] = _given(member, -130, "TILL-1")
    made["returned"] = services.return_redeemed(
        spend_entry=made["spent"].pk, points=10, reference="TILL-1-R1", by=make.BACKEND
    ).entry
    captured = services.capture(hold=hold(member, 80, "CART-1").pk, points=50, by=make.BACKEND)
    made["held"], made["captured"] = captured.entry, captured.entry.followers.get(kind=Entry.Kind.SPENT)
    made["open"] = hold(member, 20, "CART-2").entry
    made["pending"] = _given(member, 40, "GIFT-4", moves=Moves(pending=40), available_at=_midnight() + 7 * DAY)
    made["waiting"] = _given(member, 60, "GIFT-5", moves=Moves(pending=60))
    return SimpleNamespace(member=member, account=Account.objects.get(member=member), **made)


def indebted(**fields) -> SimpleNamespace:
    """Who spent 100 of the 129 points of an order that was refunded whole then: 100 are owed. Needs an earn rule."""
    member, website = make.member(**fields), make.channel("website")
    buy(member, number=ORDER, channel=website)
    spent = _given(member, -100, "TILL-2")
    refund([12_900], number=ORDER)
    account = Account.objects.get(member=member)
    earned, reversal = (account.entries.get(kind=kind) for kind in ("earned", "reversed"))
    return SimpleNamespace(member=member, account=account, earned=earned, spent=spent, reversal=reversal)


@act
def _given(member: Member, points: int, reference: str, **fields) -> Entry:
    """Given or, of negative points, taken by the website's backend."""
    what = posting(points, reference, channel=make.channel("website"), **fields)
    return settling.post(member.pk, replace(what, source=str(make.BACKEND)), make.BACKEND).entry


def _expire(entry: Entry) -> None:
    """The lot of an entry is over; time has had its effect."""
    ago = clock.now() - DAY
    execute("UPDATE loyalty_lot SET expires_at = %s WHERE entry_id = %s", ago, entry.pk)
    execute("UPDATE loyalty_account SET due_at = %s WHERE id = %s", ago, entry.account_id)
    services.settle(entry.account.member_id)


def _midnight() -> datetime:
    """The next one in Shanghai."""
    return (clock.now() + timedelta(hours=8)).replace(hour=16, minute=0, second=0, microsecond=0)

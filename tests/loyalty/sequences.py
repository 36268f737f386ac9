"""Sequences of acts and of time on a member, asked of the ledger and of books beside it, compared at every step."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from loyalty import services
from loyalty.ledger import Moves, Posting
from loyalty.models import Account, Programme
from loyalty.services import posting
from sync.act import act
from sync.ids import uuid7
from tests import make
from tests.loyalty import audit, books, clock
from tests.loyalty.books import Books, Terms
from tests.loyalty.make_purchases import lines as lines_of

LIMIT = 150  # points the channel gives without staff
FEN_PER_POINT = 150
POINTS = st.integers(1, 200)
PICK = st.integers(0, 99)  # one of what there is
SHARE = st.sampled_from([0.4, 0.4, 1, 1, 1.5])  # how much of it
WAITS = st.sampled_from([timedelta(minutes=9), timedelta(hours=7)] + [timedelta(days=n) for n in (1, 8, 31, 190, 400)])
BRINK = st.sampled_from([timedelta(microseconds=n) for n in (-1, 0, 1)])
LATES = st.sampled_from([timedelta(days=n) for n in (0, 12, 29, 30, 31)])  # after a lot is over
BEYOND = st.sampled_from([False, False, False, True])
LATER = st.sampled_from([None, None, timedelta(days=-1), timedelta(0), timedelta(hours=30), timedelta(days=40)])
ENDS = st.sampled_from([None, None, None, timedelta(hours=2), timedelta(days=35), timedelta(days=300)])
STARTS = st.datetimes(datetime(2024, 1, 1), datetime(2027, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001
REFUSALS = {
    books.Short: services.NotEnough,
    books.Over: (services.MoreThanHeld, services.OverReversed, services.OverRefunded),
    books.Closed: (services.HoldExpired, services.HoldClosed),
    books.Gone: services.NotWaiting,
}


@dataclass
class Bought:
    """A purchase: what each line cost and earned, and how much of both was taken back."""

    number: str
    earning: int | None
    lines: list[tuple[UUID, int, int]]
    refunded: list[int] = field(default_factory=list)


@act
def post(member: UUID, what: Posting) -> UUID:
    """As staff."""
    return posting.post(posting.locked(member), what, make.STAFF).entry.pk


class AnySequence(RuleBasedStateMachine):
    """One member. `done` is what may be asked again, and what else may not be asked under its reference."""

    validity, days = "never", None  # of the programme, and of what purchases earn

    def __init__(self):
        super().__init__()
        self.names, self.done, self.undone, self.bought, self.is_unchanged = 0, [], set(), [], False

    @initialize(
        start=STARTS,
        months=st.sampled_from([1, 12]),
        grace=st.sampled_from([0, 30]),
        policy=st.sampled_from(Programme.RefundPolicy.values),
        window=st.sampled_from([0, 7]),
        lots=st.lists(st.tuples(POINTS, ENDS), max_size=3),
    )
    def begin(self, start, months, grace, policy, window, lots):
        terms = {"validity": self.validity, "valid_months": months, "grace_days": grace}
        more = {"refund_policy": policy, "fen_per_point": FEN_PER_POINT}
        Programme.objects.update_or_create(id=1, defaults=terms | more)
        self.policy, self.books, self.member = policy, Books(Terms(**terms)), make.member(channel=None)
        self.place = make.channel(f"shop-{window}", earn_per_entry=LIMIT, refund_window_days=window)
        self.window = timedelta(days=window)
        self.by = make.BACKEND
        self.go_to(start)
        for points, ends in lots:
            self.earn_points(points, None, ends)

    def teardown(self):
        if hasattr(self, "member"):
            Account.objects.filter(member=self.member).update(due_at=None)  # the next sequence settles its own only

    # What is asked of both -----------------------------------------------------------------------------------------
    def go_to(self, moment: datetime):
        self.now = moment
        clock.stand(moment)
        self.is_unchanged = hasattr(self, "seen")

    def name(self) -> str:
        self.names += 1
        return f"{self.member.pk.hex[-10:]}-{self.names}"

    def entry(self, place: int) -> UUID:
        return UUID(self.seen.entries[place]["id"])

    def both(self, real: Callable, kept: Callable[[Books], object]):
        """Ask the ledger and the books. What these refuse the ledger refuses alike, and nothing is changed."""
        tried = self.books.copy()
        try:
            place = kept(tried)
        except tuple(REFUSALS) as refusal:
            self.is_unchanged = True
            with pytest.raises(REFUSALS[type(refusal)]) as raised:
                real()
            told = getattr(raised.value, "available", None)
            assert told == next(iter(refusal.args), None) or not isinstance(refusal, books.Short)  # noqa: PT017
            return None
        done, self.books, self.is_unchanged = real(), tried, False
        return done, place

    def both_once(self, real: Callable[..., UUID], kept: Callable[[Books], object], **asked) -> bool:
        """The same, and it may be asked again with the same outcome, but not with other points."""
        if answer := self.both(lambda: real(**asked), kept):
            made, _place = answer
            other = None if asked.get("points") is None else lambda: real(**asked | {"points": asked["points"] + 1})
            self.done.append((lambda: real(**asked), other, made))
        return answer is not None

    # Points come ---------------------------------------------------------------------------------------------------
    @rule(points=POINTS, later=LATER, ends=ENDS)
    def earn(self, points, later, ends):
        self.earn_points(points, later, ends)

    def earn_points(self, points, later, ends):
        for_staff = points > LIMIT
        dates = {"available_at": self.after(later), "expires_at": self.after(ends)}
        kept = dates | ({"available_at": None} if for_staff else {})
        self.both_once(
            lambda **asked: services.book(**asked).entry.pk,
            lambda b: b.give(self.now, points, for_staff=for_staff, **kept),
            **{"member": self.member.pk, "channel": self.place, "kind": "earn", "points": points, "by": self.by},
            **{"reference": self.name(), **dates},
        )

    @rule(points=POINTS)
    def earn_at_once(self, points):
        self.both_once(
            lambda **asked: services.earn(**asked).pk,
            lambda b: b.give(self.now, points),
            **{"member": self.member.pk, "points": points, "reference": self.name(), "by": self.by},
        )

    @rule(fen=st.lists(st.integers(1, 9_999), min_size=1, max_size=3))
    def buy(self, fen):
        number, points = f"D{self.name()}", sum(fen) // 100
        asked = {"lines": [(uuid7(), "TEA", each) for each in fen], "shipping_fen": 0, "paid_fen": sum(fen)}
        asked |= {"member": self.member.pk, "order_number": number, "paid_at": self.now, "channel": self.place}
        later = self.now + self.window if self.window else None
        earned, place = self.both(
            lambda: services.earn_for_purchase(**asked, by=self.by),
            lambda b: b.give(self.now, points, available_at=later, days=self.days) if points else None,
        )
        assert earned == points
        made = [(line.line, line.fen, line.points) for line in lines_of(number)]
        assert [line[1] for line in made] == fen
        assert sum(line[2] for line in made) == points
        self.bought.append(Bought(number, place, made, [0] * len(fen)))

    @precondition(lambda self: self.waiting())
    @rule(pick=PICK, agreed=st.booleans())
    def decide_as_staff(self, pick, agreed):
        waiting = self.waiting()
        place = waiting[pick % len(waiting)]
        lot = self.entry(next(entry for entry, number in self.books.lot_of.items() if number == place))
        if agreed:
            self.both(lambda: services.let_through(lot=lot, by=make.STAFF), lambda b: b.let_through(self.now, place))
        else:
            self.both(lambda: services.turn_down(lot=lot, by=make.STAFF), lambda b: b.turn_down(self.now, place))

    def waiting(self) -> list[int]:
        lots = enumerate(self.books.lots)
        return [n for n, lot in lots if lot.pending and lot.remaining and not lot.available_at]

    # Points go -----------------------------------------------------------------------------------------------------
    @rule(points=POINTS, share=st.sampled_from([None, 0.6, 1]))
    def spend(self, points, share):
        points = points if share is None else max(1, int(self.books.available * share))
        self.both_once(
            lambda **asked: services.spend(**asked).pk,
            lambda b: b.take(self.now, points),
            **{"member": self.member.pk, "points": points, "reference": self.name(), "by": self.by},
        )

    @rule(points=POINTS, minutes=st.sampled_from([1, 30, 24 * 60]))
    def hold(self, points, minutes):
        lasts = timedelta(minutes=minutes)
        self.both_once(
            lambda **asked: services.hold(**asked)[0].pk,
            lambda b: b.hold(self.now, points, lasts),
            **{"member": self.member.pk, "channel": self.place, "points": points, "reference": self.name()},
            **{"expires_in": lasts, "by": self.by, "is_present": True},
        )

    @precondition(lambda self: self.books.holds)
    @rule(pick=PICK, share=st.sampled_from([0, 0.01, 0.5, 1, 1, 1.5]))
    def close(self, pick, share):
        place = sorted(self.books.holds)[-1 - pick % len(self.books.holds)]
        hold, points = self.entry(place), max(1, int(self.books.holds[place].points * share)) if share else 0
        if points:
            self.both(
                lambda: services.capture(hold=hold, points=points, by=self.by),
                lambda b: b.close(self.now, place, points),
            )
        else:
            self.both(lambda: services.release(hold=hold, by=self.by), lambda b: b.close(self.now, place, 0))

    @rule(points=POINTS, gives=st.booleans())
    def adjust(self, points, gives):
        made = {"contra_kind": "adjusted", "source": "hub", "reference": self.name(), "kind": "adjusted"}
        take = self.books_take if not gives else self.books_give
        self.both_once(
            lambda points: post(self.member.pk, Posting(moves=Moves(available=points if gives else -points), **made)),
            lambda b: take(b, points),
            points=points,
        )

    def books_give(self, b: Books, points: int) -> int:
        return b.give(self.now, points, "adjusted", "adjusted")

    def books_take(self, b: Books, points: int) -> int:
        return b.take(self.now, points, "adjusted", "adjusted")

    # Points go back ------------------------------------------------------------------------------------------------
    @precondition(lambda self: self.reversible())
    @rule(pick=PICK)
    def reverse(self, pick):
        place = self.picked(self.reversible(), pick)
        entry = self.entry(place)
        if self.both_once(
            lambda: services.reverse(entry=entry, by=self.by).entry.pk, lambda b: b.undo(self.now, place)
        ):
            self.undone.add(place)

    def reversible(self) -> list[int]:
        """Its own earnings and spendings: not those of purchases, which refunds take back."""
        bought = {each.earning for each in self.bought}
        made = [n for n, entry in enumerate(self.books.entries) if entry.kind in {"earned", "spent"}]
        return [n for n in made if n not in bought | self.undone]

    @precondition(lambda self: self.spent())
    @rule(pick=PICK, share=SHARE)
    def return_redeemed(self, pick, share):
        place = self.picked(self.spent(), pick)
        points = max(1, int(self.books.left[place] * share))
        self.both_once(
            lambda **asked: services.return_redeemed(**asked).entry.pk,
            lambda b: b.give_back(self.now, place, points),
            **{"spend_entry": self.entry(place), "points": points, "reference": self.name(), "by": self.by},
        )

    def spent(self) -> list[int]:
        entries = enumerate(self.books.entries)
        return [n for n, entry in entries if entry.kind == "spent" and self.books.left[n]]

    @precondition(lambda self: self.spent())
    @rule(pick=PICK, share=SHARE, lates=st.lists(LATES, min_size=1, max_size=2))
    def return_when_its_lots_are_over(self, pick, share, lates):
        for late in lates:
            if ends := self.ends_of_what_was_spent(pick):
                self.go_to(max(self.now, self.picked(ends, pick) + late))
                self.return_redeemed(pick, share)
                self.the_ledger_agrees_with_the_books()

    def ends_of_what_was_spent(self, pick) -> list[datetime]:
        spent = self.spent()
        taken = self.books.taken[self.picked(spent, pick)] if spent else {}
        ends = [self.books.lots[n].expires_at for n, points in taken.items() if points]
        return sorted(filter(None, ends))

    @precondition(lambda self: self.adjusted())
    @rule(pick=PICK)
    def undo_adjusting(self, pick):
        place = self.picked(self.adjusted(), pick)
        contra = self.books.entries[place].contra
        what = {"contra_kind": "adjusted", "source": "hub", "reference": self.name(), "kind": "reversed"}
        undoing = Posting(moves=Moves(available=contra), reverses=self.entry(place), owe=contra < 0, **what)
        self.both_once(lambda: post(self.member.pk, undoing), lambda b: b.undo(self.now, place))

    def adjusted(self) -> list[int]:
        entries = enumerate(self.books.entries)
        return [n for n, entry in entries if entry.contra_kind == "adjusted" and self.books.left.get(n)]

    @precondition(lambda self: self.bought)
    @rule(pick=PICK, shares=st.lists(st.sampled_from([0, 0.3, 0.5, 1]), min_size=3, max_size=3), beyond=BEYOND)
    def refund(self, pick, shares, beyond):
        bought = self.picked(self.bought, pick)
        left = [fen - back for (_line, fen, _points), back in zip(bought.lines, bought.refunded, strict=True)]
        parts = [int(fen * share) for fen, share in zip(left, shares, strict=False)]
        after, gone = [back + part for back, part in zip(bought.refunded, parts, strict=True)], 0
        for (_line, fen, points), was, now in zip(bought.lines, bought.refunded, after, strict=True):
            gone += points * now // fen - points * was // fen
        if beyond:
            parts[0] += sum(left) - sum(parts) + 1  # more than was paid for all of it
        asked = {line[0]: part for line, part in zip(bought.lines, parts, strict=True)}
        asked = {"order_number": bought.number, "reference": self.name(), "lines": asked, "by": self.by}
        answer = self.both(
            lambda: services.refund_purchase(**asked),
            lambda b: b.refuse() if beyond else self.books_refund(b, bought, gone, sum(parts)),
        )
        if answer:
            assert answer[0] == answer[1]
            bought.refunded = after
            self.done.append((lambda: services.refund_purchase(**asked), None, answer[0]))

    def books_refund(self, b: Books, bought: Bought, points: int, fen: int) -> services.Reversed:
        missing = b.take_back(self.now, bought.earning, points) if points else 0
        paid = min(missing, fen // FEN_PER_POINT)
        forgiven, paid = {"debt": (0, 0), "forgive": (missing, 0), "deduct": (0, paid)}[self.policy]
        if forgiven + paid:
            b.write_off(forgiven + paid, "forgiven" if forgiven else "paid_in_money")
        return services.Reversed(points, missing - forgiven - paid, forgiven, paid * FEN_PER_POINT)

    # Nothing new, and time -----------------------------------------------------------------------------------------
    @precondition(lambda self: self.done)
    @rule(pick=PICK, other=st.booleans())
    def again(self, pick, other):
        same, another, made = self.picked(self.done, pick)
        if other and another:
            self.is_unchanged = True
            with pytest.raises(services.ReferenceConflict):
                another()
        else:
            assert same() == made
            if isinstance(made, UUID):
                self.books.settle(self.now)

    @rule(through=st.sampled_from(["settle", "settle_due"]))
    def settle(self, through):
        real = services.settle_due if through == "settle_due" else lambda: services.settle(self.member.pk)
        self.both(real, lambda b: b.settle(self.now))

    @rule(how_long=WAITS)
    def wait(self, how_long):
        self.go_to(self.now + how_long)

    @precondition(lambda self: self.books.next_due)
    @rule(brink=BRINK)
    def wait_for_what_is_next(self, brink):
        self.go_to(max(self.now, self.books.next_due + brink))

    def after(self, by: timedelta | None) -> datetime | None:
        return None if by is None else self.now + by

    @staticmethod
    def picked(among: list, pick: int):
        """The newest first."""
        return among[-1 - pick % len(among)]

    @invariant()
    def the_ledger_agrees_with_the_books(self):
        if not hasattr(self, "member"):
            return
        seen = audit.read(self.member)
        if self.is_unchanged:
            assert seen.text == self.seen.text, "something was changed"
        else:
            audit.hold_true(seen)
            audit.agree(seen, self.books)
        self.seen, self.is_unchanged = seen, False

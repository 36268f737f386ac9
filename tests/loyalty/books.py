"""A member's points kept a second time, by the rules and not by the ledger: what any sequence of acts must lead to.

Points lie in lots. Whatever takes them draws the earliest expiry first, of equal ones the older lot; what comes in
settles a debt first. Time acts by itself and in its order, however late somebody looks: a hold that ran out is back in
its lots, a pending lot whose day came is available, an expired lot is empty. Entries and lots are known by their place.
"""

from calendar import monthrange
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

SHANGHAI = ZoneInfo("Asia/Shanghai")
NEVER = datetime.max.replace(tzinfo=SHANGHAI)
COMPONENTS = ("available", "pending", "held", "debt")


class Short(Exception):
    """Fewer points are available than asked for: so many."""


class Over(Exception):
    """More than is left."""


class Closed(Exception):
    """The hold is closed, and not like this; says how."""


class Gone(Exception):
    """These points do not wait for staff any more."""


@dataclass(frozen=True)
class Terms:
    """The programme."""

    validity: str = "never"
    valid_months: int = 12
    grace_days: int = 0

    def expiry(self, since: datetime, days: int | None = None) -> datetime | None:
        """When points go that can be used since then: at a midnight in Shanghai."""
        local = since.astimezone(SHANGHAI)
        midnight = local.replace(hour=0, minute=0, second=0, microsecond=0)
        if days is not None:
            return midnight + timedelta(days=days + 1)
        if self.validity == "never":
            return None
        years, month = divmod(local.month - 1 + self.valid_months, 12)
        year, month = local.year + years, month + 1
        if self.validity == "year_end":
            return datetime(year + 1, 1, 1, tzinfo=SHANGHAI)
        day = min(local.day, monthrange(year, month)[1])
        return datetime(year, month, day, tzinfo=SHANGHAI) + timedelta(days=1)


@dataclass
class Lot:
    """`pending` until `available_at`; without one until staff lets it through."""

    earned: int
    remaining: int
    expires_at: datetime | None
    pending: bool = False
    available_at: datetime | None = None
    held: int = 0
    graced: bool = False


@dataclass
class Hold:
    """Points set aside, by lot."""

    expires_at: datetime
    points: int
    lots: dict[int, int]
    state: str = "held"
    captured: int = 0


@dataclass(frozen=True)
class Made:
    """One entry: what it did to each component, and in each lot to what remains and what is held."""

    kind: str
    contra_kind: str
    moves: tuple[int, int, int, int]
    draws: dict[int, tuple[int, int]]

    @property
    def contra(self) -> int:
        available, pending, held, debt = self.moves
        return debt - available - pending - held


@dataclass
class Books:
    """One account. `left` is what can still be reversed of an entry, `taken` from which lots a spending took it."""

    terms: Terms
    lots: list[Lot] = field(default_factory=list)
    holds: dict[int, Hold] = field(default_factory=dict)
    entries: list[Made] = field(default_factory=list)
    debt: int = 0
    left: dict[int, int] = field(default_factory=dict)
    taken: dict[int, dict[int, int]] = field(default_factory=dict)
    lot_of: dict[int, int] = field(default_factory=dict)  # an earning's

    def copy(self) -> "Books":
        """To try an act on."""
        return replace(
            self,
            lots=[replace(lot) for lot in self.lots],
            holds={n: replace(hold) for n, hold in self.holds.items()},
            entries=[*self.entries],
            left={**self.left},
            taken={n: {**lots} for n, lots in self.taken.items()},
            lot_of={**self.lot_of},
        )

    # What stands ---------------------------------------------------------------------------------------------------
    @property
    def available(self) -> int:
        return sum(lot.remaining for lot in self.lots if not lot.pending)

    @property
    def balance(self) -> tuple[int, int, int, int]:
        """available, pending, held, debt."""
        pending = sum(lot.remaining for lot in self.lots if lot.pending)
        return self.available, pending, sum(lot.held for lot in self.lots), self.debt

    @property
    def next_due(self) -> datetime | None:
        """When time does something next."""
        return min([*self._opening(), *(lot.expires_at for lot in self._expiring())], default=None)

    # What time does ------------------------------------------------------------------------------------------------
    def settle(self, now: datetime) -> None:
        """All that was due until now: before each moment at which something opens, what expired until then."""
        while (opens := min(self._opening(), default=NEVER)) <= now:
            self._expire([lot for lot in self._expiring() if lot.expires_at < opens])
            for n, hold in sorted(self.holds.items(), key=lambda item: (item[1].expires_at, item[0])):
                if hold.state == "held" and hold.expires_at <= opens:
                    hold.state = "expired"
                    self._put_back(n, hold.points)
            for lot in self._waiting():
                if lot.available_at <= opens:
                    with self._entry("released"):
                        lot.pending, lot.available_at = False, None
        self._expire([lot for lot in self._expiring() if lot.expires_at <= now])

    def _opening(self) -> list[datetime]:
        ends = [hold.expires_at for hold in self.holds.values() if hold.state == "held"]
        return ends + [lot.available_at for lot in self._waiting()]

    def _waiting(self) -> list[Lot]:
        return [lot for lot in self.lots if lot.remaining and lot.pending and lot.available_at]

    def _expiring(self) -> list[Lot]:
        return [lot for lot in self.lots if lot.remaining and lot.expires_at]

    def _expire(self, lots: list[Lot]) -> None:
        if lots:
            with self._entry("expired", "expired") as draws:
                for lot in lots:
                    self._draw(draws, self._place(lot), -lot.remaining)

    # What people do ------------------------------------------------------------------------------------------------
    def give(self, now: datetime, points: int, kind="earned", contra="issued", *, for_staff=False, **dates) -> int:
        """A new lot; `dates` are available_at, expires_at, and days it is valid. Returns the entry."""
        self.settle(now)
        later, expires_at = dates.get("available_at"), dates.get("expires_at")
        pending = for_staff or bool(later and later > now)
        expires_at = expires_at or self.terms.expiry(max(now, later or now), dates.get("days"))
        with self._entry(kind, contra):
            self.lots.append(Lot(points, points, expires_at, pending, later if pending else None))
        made = len(self.entries) - 1
        self.lot_of[made], self.left[made] = len(self.lots) - 1, points
        self.settle(now)
        return made

    def take(self, now: datetime, points: int, kind="spent", contra="redeemed") -> int:
        """Out of what is available, or not at all."""
        self.settle(now)
        if points > self.available:
            raise Short(self.available)
        with self._entry(kind, contra) as draws:
            taken = self._draw_available(draws, points)
        made = len(self.entries) - 1
        self.taken[made], self.left[made] = taken, points
        return made

    def hold(self, now: datetime, points: int, lasts: timedelta) -> int:
        """Set aside."""
        self.settle(now)
        if points > self.available:
            raise Short(self.available)
        with self._entry("held") as draws:
            lots = self._draw_available(draws, points, to_hold=True)
        made = len(self.entries) - 1
        self.holds[made] = Hold(now + lasts, points, lots)
        return made

    def close(self, now: datetime, hold: int, points: int) -> None:
        """Spend so many of a hold and let the others go; the same again changes nothing."""
        held = self.holds[hold]
        if points > held.points:
            raise Over
        self.settle(now)
        if held.state != "held":
            if held.state == "expired" or held.captured != points:
                raise Closed(held.state)
            return
        held.state, held.captured = "captured" if points else "released", points
        if points:
            with self._entry("spent", "redeemed") as draws:
                taken = self._draw_held(draws, hold, points)
            self.taken[len(self.entries) - 1], self.left[len(self.entries) - 1] = taken, points
        if points < held.points:
            self._put_back(hold, held.points - points)
        self.settle(now)

    def take_back(self, now: datetime, earning: int, points: int, contra="issued") -> int:
        """Of what was given: out of its lot, then what is pending, then what is available; the rest is owed."""
        self.settle(now)
        self._reverse(earning, points)
        own, missing = self.lot_of[earning], points
        with self._entry("reversed", contra) as draws:
            for n in sorted(range(len(self.lots)), key=lambda n: (n != own, not self.lots[n].pending, *self._age(n))):
                for_staff = self.lots[n].pending and self.lots[n].available_at is None
                part = 0 if for_staff and n != own else min(missing, self.lots[n].remaining)
                self._draw(draws, n, -part)
                missing -= part
            self.debt += missing
        return missing

    def give_back(self, now: datetime, spending: int, points: int, contra="redeemed") -> None:
        """Of what was taken: into the lots it came from, the last to expire first; what expired has one grace ever."""
        self.settle(now)
        self._reverse(spending, points)
        taken = self.taken[spending]
        with self._entry("reversed", contra) as draws:
            for n in sorted(taken, key=self._age, reverse=True):
                part = min(points, taken[n])
                if part:
                    self._grant_grace(self.lots[n], now)
                    self._draw(draws, n, part)
                    taken[n], points = taken[n] - part, points - part
        self.settle(now)

    def write_off(self, points: int, contra: str) -> None:
        """Debt that nobody has to settle."""
        with self._entry("adjusted", contra):
            self.debt -= points

    def undo(self, now: datetime, entry: int) -> None:
        """What is left of something given or taken."""
        contra, points = self.entries[entry].contra_kind, self.left[entry]
        if entry in self.taken:
            self.give_back(now, entry, points, contra)
        else:
            self.take_back(now, entry, points, contra)

    def let_through(self, now: datetime, lot: int) -> None:
        """Staff agrees: at once."""
        self._await_staff(now, lot)
        self.lots[lot].available_at = now
        self.settle(now)

    def turn_down(self, now: datetime, lot: int) -> None:
        """Staff does not: what is there of it goes."""
        self._await_staff(now, lot)
        earning = next(entry for entry, number in self.lot_of.items() if number == lot)
        self.take_back(now, earning, self.lots[lot].remaining)

    def _await_staff(self, now: datetime, lot: int) -> None:
        self.settle(now)
        if not self.lots[lot].remaining:
            raise Gone

    # How -----------------------------------------------------------------------------------------------------------
    @contextmanager
    def _entry(self, kind: str, contra_kind: str = "") -> Iterator[dict]:
        """One entry of all that changes meanwhile; a debt is settled by what it made available."""
        before, draws = self.balance, {}
        yield draws
        if settled := min(self.available, self.debt):
            self._draw_available(draws, settled)
            self.debt -= settled
        moves = tuple(after - was for after, was in zip(self.balance, before, strict=True))
        self.entries.append(Made(kind, contra_kind, moves, {n: d for n, d in draws.items() if d != (0, 0)}))

    def _age(self, lot: int) -> tuple[datetime, int]:
        return self.lots[lot].expires_at or NEVER, lot

    def _place(self, lot: Lot) -> int:
        return next(n for n, each in enumerate(self.lots) if each is lot)

    def _draw(self, draws: dict, lot: int, remaining: int, held: int = 0) -> None:
        before = draws.get(lot, (0, 0))
        draws[lot] = before[0] + remaining, before[1] + held
        self.lots[lot].remaining += remaining
        self.lots[lot].held += held

    def _draw_available(self, draws: dict, points: int, *, to_hold: bool = False) -> dict[int, int]:
        taken = Counter()
        for n in sorted(range(len(self.lots)), key=self._age):
            part = 0 if self.lots[n].pending else min(points - taken.total(), self.lots[n].remaining)
            if part:
                taken[n] = part
                self._draw(draws, n, -part, part if to_hold else 0)
        return dict(taken)

    def _draw_held(self, draws: dict, hold: int, points: int, *, put_back: bool = False) -> dict[int, int]:
        lots, taken = self.holds[hold].lots, Counter()
        for n in sorted(lots, key=self._age):
            if part := min(points - taken.total(), lots[n]):
                taken[n] = part
                self._draw(draws, n, part if put_back else 0, -part)
        self.holds[hold].lots = {n: points - taken[n] for n, points in lots.items()}
        return dict(taken)

    def _put_back(self, hold: int, points: int) -> None:
        with self._entry("released") as draws:
            self._draw_held(draws, hold, points, put_back=True)

    @staticmethod
    def refuse() -> None:
        """More than was paid."""
        raise Over

    def _reverse(self, entry: int, points: int) -> None:
        if not 0 < points <= self.left[entry]:
            raise Over
        self.left[entry] -= points

    def _grant_grace(self, lot: Lot, now: datetime) -> None:
        if lot.expires_at and lot.expires_at <= now and not lot.graced and self.terms.grace_days:
            lot.expires_at += timedelta(days=self.terms.grace_days)
            lot.graced = True

"""What another version of an earn rule would have given for what was bought lately."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from heapq import heappushpop
from uuid import UUID

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import Count, F, OuterRef, Sum
from django.db.models.functions import JSONObject
from django.utils import timezone

from loyalty import rules
from loyalty.models import Bonus, EarnRule, Purchase, PurchaseLine
from loyalty.rules import Occasion, Part
from loyalty.services import rule_versions
from sync import clock

DAYS, MOST, BIGGEST = 30, 20_000, 20
CHUNK = 1_000
LINES = PurchaseLine.objects.filter(purchase=OuterRef("pk")).order_by("pk")
COLUMNS = ("pk", "account", "order_number", "channel", "tier", "paid_at", "paid_fen", "points")


@dataclass(frozen=True, order=True)
class Compared:
    """What one order earned, and what it would have."""

    size: int
    number: str
    id: UUID
    paid_at: datetime
    paid_fen: int
    before: int
    after: int

    @property
    def change(self) -> int:
        return self.after - self.before


@dataclass
class Diff:
    """Totals of what was earned and what would have been; how many gain and lose; the biggest differences.

    `basis` names what was compared, for activating it. `is_whole`: no order of that time was left out.
    """

    basis: str
    since: datetime
    is_whole: bool = True
    cases: int = 0
    before: int = 0
    after: int = 0
    gaining: int = 0
    losing: int = 0
    biggest: list[Compared] = field(default_factory=list)

    def count(self, compared: Compared) -> None:
        """One order more."""
        self.cases += 1
        self.before += compared.before
        self.after += compared.after
        self.gaining += compared.change > 0
        self.losing += compared.change < 0
        if not compared.change:
            return
        if len(self.biggest) < BIGGEST:
            self.biggest.append(compared)
            self.biggest.sort()
        else:
            heappushpop(self.biggest, compared)


class Today:
    """What a rule has given a member on the day at hand, as orders come by member and time."""

    def __init__(self):
        self.day: tuple[UUID, date] | None = None
        self.given = 0

    def before(self, account: UUID, at: datetime) -> int:
        """So much was given on that day before."""
        day = account, timezone.localdate(at)
        if day != self.day:
            self.day, self.given = day, 0
        return self.given


def dry_run(rule: EarnRule, *, days: int = DAYS, most: int = MOST) -> Diff:
    """Compare what was earned in the last so many days with what this version would have given.

    Its own dates are left aside: it is judged as if it had been in force all the time. Refunds and debts are too. No
    more than the newest `most` orders are looked at, one by one; whatever their number, memory stays the same.
    """
    diff = Diff(rule_versions.basis_of(rule), clock.now() - timedelta(days=days))
    if rule.kind != EarnRule.Kind.PAID:
        return _of_bonuses(rule, diff)
    for compared in _compared(rule, _purchases(diff.since, most)):
        diff.count(compared)
    diff.biggest.sort(reverse=True)
    diff.is_whole = diff.cases < most
    return diff


def _purchases(since: datetime, most: int) -> Iterator[tuple]:
    newest = Purchase.objects.filter(paid_at__gte=since).order_by("-paid_at")[:most]
    parts = ArraySubquery(LINES.values(said=JSONObject(sku="sku", fen="fen")))
    found = Purchase.objects.filter(pk__in=newest.values("pk")).annotate(parts=parts)
    return found.order_by("account", "paid_at", "pk").values_list(*COLUMNS, "parts").iterator(chunk_size=CHUNK)


def _compared(rule: EarnRule, purchases: Iterable[tuple]) -> Iterator[Compared]:
    boosts, today = list(rule.boosts.all()), Today()
    for key, account, number, channel, tier, paid_at, paid_fen, before, lines in purchases:
        parts = [Part(None, line["sku"], line["fen"]) for line in lines]
        given_today = today.before(account, paid_at)
        after = rules.earned(rule, boosts, parts, Occasion(paid_at, tier, channel), given_today=given_today).points
        today.given += after
        yield Compared(abs(after - before), number, key, paid_at, paid_fen, before, after)


def _of_bonuses(rule: EarnRule, diff: Diff) -> Diff:
    """Of a fixed bonus: as many as were given, each of the new size."""
    given = Bonus.objects.filter(kind=rule.kind, at__gte=diff.since)
    found = given.aggregate(n=Count("pk"), points=Sum(-F("entry__contra"), default=0))
    diff.cases, diff.before, diff.after = found["n"], found["points"], found["n"] * rule.fixed_points
    return diff

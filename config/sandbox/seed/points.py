"""The points of the past: lots, entries, purchases and tiers as the ledger would have left them."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from django.utils import timezone

from config.sandbox.seed.dice import Dice
from config.sandbox.seed.history import BEAT, Fact
from config.sandbox.seed.house import Brand
from config.sandbox.seed.people import Somebody
from loyalty import rules
from loyalty.ledger import ISSUED, REDEEMED, Balance, Posted
from loyalty.models import Account, Draw, Entry, Lot, Purchase, PurchaseLine, TierChange
from loyalty.rules import Occasion, Part
from loyalty.rules.tiers import Ladder, Standing, months_later
from loyalty.services import HUB
from loyalty.told import as_posted
from sync.act import SYSTEM, Actor
from sync.http import instant
from sync.models import Channel


@dataclass(frozen=True)
class Sale:
    """A paid order, as points see it."""

    number: str
    parts: list[Part]
    paid_fen: int
    channel: Channel
    at: datetime


@dataclass
class PointsBooks:
    """What is to be written of everybody's points, and what is to be told of them."""

    accounts: list[Account] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)
    lots: list[Lot] = field(default_factory=list)
    draws: list[Draw] = field(default_factory=list)
    purchases: list[Purchase] = field(default_factory=list)
    lines: list[PurchaseLine] = field(default_factory=list)
    changes: list[TierChange] = field(default_factory=list)
    facts: list[Fact] = field(default_factory=list)

    def store(self) -> None:
        """Write all of it."""
        for rows in (self.accounts, self.entries, self.lots, self.draws, self.purchases, self.lines, self.changes):
            if rows:
                type(rows[0]).objects.bulk_create(rows)


class Purse:
    """One member's points. Acts come in the order of their times; what is due before an act happens first."""

    def __init__(self, dice: Dice, brand: Brand, books: PointsBooks, somebody: Somebody):
        at = somebody.member.created_at
        self.dice, self.brand, self.books, self.somebody = dice, brand, books, somebody
        self.account = Account(id=dice.uuid7(at), member=somebody.member, updated_at=at)
        self.lots: list[Lot] = []
        self.spent_fen = 0
        books.accounts.append(self.account)

    def buy(self, sale: Sale, by: Actor) -> int:
        """A paid order: its points wait for as long as goods may come back; the tier follows. Returns the points."""
        self.settle(sale.at)
        account, rule = self.account, self.brand.rule
        tier = account.tier or self.brand.tiers[0]
        earned = rules.earned(rule, [], sale.parts, Occasion(sale.at, tier.pk, sale.channel.pk))
        entry = self._earn(sale, earned.points, by) if earned.points else None
        account.version += entry is None
        purchase = Purchase(
            id=self.dice.uuid7(sale.at),
            account=account,
            origin=account.pk,
            order_number=sale.number,
            channel=sale.channel,
            tier=tier,
            rule=rule,
            entry=entry,
            paid_fen=sale.paid_fen,
            points=earned.points,
            growth=earned.growth,
            paid_at=sale.at,
            created_at=sale.at,
        )
        self.books.purchases.append(purchase)
        self.books.lines += [
            PurchaseLine(purchase=purchase, line=part.line, sku=part.sku, fen=part.fen, points=points)
            for part, points in zip(sale.parts, earned.by_part, strict=True)
        ]
        self._rise(sale.paid_fen, sale.at, by)
        return earned.points

    def redeem(self, points: int, at: datetime, by: Actor, **named) -> None:
        """Points for a coupon, out of the lots that expire first."""
        self.settle(at)
        entry = self._post("spent", at, by, available=-points, contra_kind=REDEEMED, **named)
        for lot in sorted(self.lots, key=lambda lot: (lot.expires_at, lot.pk)):
            part = 0 if lot.is_pending else min(lot.remaining, points)
            if part:
                lot.remaining -= part
                points -= part
                self.books.draws.append(Draw(entry=entry, lot=lot, remaining=-part))
        self._due()

    def settle(self, until: datetime) -> None:
        """What has waited long enough by then becomes available."""
        due = [lot for lot in self.lots if lot.is_pending and lot.available_at <= until]
        for lot in sorted(due, key=lambda lot: (lot.available_at, lot.pk)):
            lot.is_pending = False
            self._post(
                "released",
                lot.available_at,
                SYSTEM,
                available=lot.remaining,
                pending=-lot.remaining,
                source="available",
                reference=str(lot.pk),
                follows=lot.entry,
                channel=lot.entry.channel,
                expires_at=lot.expires_at,
            )
        self._due()

    def _earn(self, sale: Sale, points: int, by: Actor) -> Entry:
        available_at = sale.at + timedelta(days=sale.channel.refund_window_days)
        when = {"available_at": available_at, "expires_at": self._expiry(available_at)}
        named = {"source": HUB, "reference": f"order:{sale.number}:paid", "channel": sale.channel}
        named |= {"contra_kind": ISSUED, "rule": self.brand.rule}
        entry = self._post("earned", sale.at, by, pending=points, **named, **when)
        lot = Lot(
            entry=entry,
            account=self.account,
            origin=self.account.pk,
            earned=points,
            remaining=points,
            is_pending=True,
            **when,
        )
        self.lots.append(lot)
        self.books.lots.append(lot)
        self._due()
        return entry

    def _post(self, kind: str, at: datetime, by: Actor, *, available: int = 0, pending: int = 0, **named) -> Entry:
        """One entry in the ledger, and the news of it."""
        account = self.account
        account.available += available
        account.pending += pending
        account.version += 1
        account.updated_at = at
        entry = Entry(
            id=self.dice.uuid7(at),
            account=account,
            kind=kind,
            available=available,
            pending=pending,
            contra=-available - pending,
            available_after=account.available,
            version=account.version,
            created_at=at,
            **named,
        )
        self.books.entries.append(entry)
        balance = Balance(available=account.available, pending=account.pending, version=account.version)
        self.tell(f"points.{kind}", at + BEAT, by, as_posted(Posted(entry, balance)))
        return entry

    def _rise(self, fen: int, at: datetime, by: Actor) -> None:
        """Spending counts towards the tier."""
        account, ladder = self.account, Ladder(self.brand.tiers, self.brand.terms, at)
        self.spent_fen += fen
        account.updated_at = at
        after = ladder.judged(Standing(account.tier, account.tier_until), self.spent_fen)
        if after.tier is None or after.tier == account.tier:
            return
        change = TierChange(
            account=account,
            before=account.tier or ladder.lowest,
            after=after.tier,
            cause=TierChange.Cause.REACHED,
            qualify_by=ladder.terms.qualify_by,
            qualifying=self.spent_fen,
            threshold=ladder.threshold(after.tier),
            counted_from=ladder.since,
            counted_to=at,
            until=after.until,
            at=at,
        )
        account.tier, account.tier_since, account.tier_until = after.tier, at, after.until
        self.books.changes.append(change)
        told = {"from": change.before.code, "to": after.tier.code, "at": instant(at)}
        self.tell("tier.changed", at + 2 * BEAT, by, told)

    def _expiry(self, at: datetime) -> datetime:
        """At the end of the day so many months later, in Shanghai."""
        day = months_later(timezone.localtime(at), self.brand.terms.valid_months)
        return day.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)

    def _due(self) -> None:
        left = [lot for lot in self.lots if lot.remaining]
        times = [lot.expires_at for lot in left] + [lot.available_at for lot in left if lot.is_pending]
        self.account.due_at = min(times, default=None)

    def tell(self, type: str, at: datetime, by: Actor, data: dict) -> None:
        self.books.facts.append(Fact(type, self.somebody.subject, at, by, data))


def parts_of(lines: list[tuple[UUID, str, int]], shipping_fen: int) -> list[Part]:
    """What was paid for each line and the shipping, where nothing was discounted."""
    return rules.parts_of(lines, shipping_fen, sum(fen for _line, _sku, fen in lines) + shipping_fen)

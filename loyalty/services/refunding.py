"""What a refund takes back of a purchase, and what it gives back of points that paid."""

from dataclasses import dataclass
from uuid import UUID

from django.utils.translation import gettext_lazy as _

from loyalty import rules
from loyalty.ledger import ISSUED, REDEEMED, Moves, Posted, Posting, ReferenceConflict
from loyalty.models import Entry, Programme, Purchase, PurchaseLine, PurchaseRefund, TierChange
from loyalty.services import posting, tiering
from members.models import Member
from sync.act import Actor, act

FORGIVEN, PAID_IN_MONEY = "forgiven", "paid_in_money"  # contra sides, and sources of what is written off
SHIPPING = "shipping"
Policy = Programme.RefundPolicy


class OverRefunded(Exception):
    """More than is left of what was paid, or a line that is not there; nothing was changed."""

    def __init__(self):
        super().__init__(_("This is more than what is left of what was paid"))


@dataclass(frozen=True)
class Reversed:
    """What a refund did: points taken back; of them owed since or forgiven; and fen to take off the refund."""

    points: int
    owed: int = 0
    forgiven: int = 0
    deducted_fen: int = 0


@act
def refund_purchase(
    *,
    order_number: str,
    reference: str,
    lines: dict[UUID, int],
    shipping_fen: int = 0,
    deducted_fen: int | None = None,
    by: Actor,
) -> Reversed:
    """Take back points, growth and qualifying spending for a refund, in proportion, line by line; once per reference.

    `lines` are fen by order line. What exceeds a line's share of what was paid (whoever refunds may have shared
    discounts in another way) is borne by the others: any split into refunds takes back the same in the end. Of points
    spent already the programme's policy decides; `deducted_fen` is what was kept for them of money that has moved:
    points it paid for beyond those that are missing now are given back. Raises Purchase.DoesNotExist, OverRefunded,
    ReferenceConflict; then nothing was changed.
    """
    buyer, purchase = _locked(order_number)
    parts = {str(line): fen for line, fen in lines.items() if fen} | ({SHIPPING: shipping_fen} if shipping_fen else {})
    if known := PurchaseRefund.objects.filter(reference=reference).first():
        if (known.purchase_id, known.parts) != (purchase.pk, parts):
            raise ReferenceConflict
        return Reversed(known.points, known.owed, known.forgiven, known.deducted_fen)
    if not parts:
        return Reversed(0)
    refund = PurchaseRefund(purchase=purchase, reference=reference, parts=parts, fen=sum(parts.values()))
    refund.points = _take_from_lines(purchase, parts)
    refund.growth = _take_from(purchase, refund)
    refund.deducted_fen = deducted_fen or 0
    paid_for = _reverse(buyer, refund, by, deducted_fen) if refund.points else 0
    if deducted_fen:
        _give_what_was_paid(buyer, refund, paid_for, by)
    refund.save(force_insert=True)
    if buyer.status != Member.Status.ERASED:  # who was erased is in no tier
        in_version = bool(refund.points)
        tiering.judge(purchase.account_id, by=by, cause=TierChange.Cause.REFUNDED, in_version=in_version)
    return Reversed(refund.points, refund.owed, refund.forgiven, refund.deducted_fen)


@act
def return_redeemed(*, spend_entry: UUID, points: int, reference: str, by: Actor) -> Posted:
    """Give back points that paid for what was refunded, to the lots they came from; once per reference.

    Raises Entry.DoesNotExist, OverReversed, ReferenceConflict; then nothing was changed.
    """
    spending = Entry.objects.select_related("account", "channel").get(pk=spend_entry, kind=Entry.Kind.SPENT)
    returned = Posting(
        kind=Entry.Kind.REVERSED,
        moves=Moves(available=points),
        contra_kind=REDEEMED,
        source=posting.HUB,
        reference=f"returned:{reference}",
        reverses=spending.pk,
        channel=spending.channel,
    )
    return posting.post(posting.locked(spending.account.member_id), returned, by)


def _locked(order_number: str) -> tuple[Member, Purchase]:
    """Who has the purchase now, locked, and the purchase read after: a merge may have moved it meanwhile."""
    found = Purchase.objects.select_related("account", "channel", "rule", "entry")
    while True:
        buyer = posting.locked(found.get(order_number=order_number).account.member_id)
        purchase = found.get(order_number=order_number)
        if purchase.account.member_id == buyer.pk:
            return buyer, purchase


def _take_from_lines(purchase: Purchase, parts: dict[str, int]) -> int:
    """Count the refund on the lines and return the points that go."""
    lines = {str(line.line or SHIPPING): line for line in purchase.lines.all()}
    borne = rules.spread(parts, {part: line.fen - line.refunded_fen for part, line in lines.items()})
    if borne is None:
        raise OverRefunded
    gone = [_refund_line(lines[part], fen) for part, fen in borne.items()]
    PurchaseLine.objects.bulk_update((lines[part] for part in borne), ["refunded_fen", "reversed_points"])
    return sum(gone)


def _refund_line(line: PurchaseLine, fen: int) -> int:
    line.refunded_fen += fen
    before, line.reversed_points = line.reversed_points, rules.taken_back(line.points, line.fen, line.refunded_fen)
    return line.reversed_points - before


def _take_from(purchase: Purchase, refund: PurchaseRefund) -> int:
    """Count the refund on the purchase and return the growth that goes."""
    purchase.refunded_fen += refund.fen
    purchase.reversed_points += refund.points
    before = purchase.lost_growth
    purchase.lost_growth = rules.taken_back(purchase.growth, purchase.paid_fen, purchase.refunded_fen)
    purchase.save(update_fields=["refunded_fen", "reversed_points", "lost_growth"])
    return purchase.lost_growth - before


def _reverse(buyer: Member, refund: PurchaseRefund, by: Actor, kept_fen: int | None) -> int:
    """Take the points back, and deal with those that are not there any more; returns how many money pays for."""
    purchase = refund.purchase
    named = {"rule": purchase.rule, "channel": purchase.channel}
    back = Posting(
        kind=Entry.Kind.REVERSED,
        moves=Moves(available=-refund.points),
        contra_kind=ISSUED,
        source=posting.HUB,
        reference=f"refund:{refund.reference}",
        reverses=purchase.entry_id,
        owe=True,
        **named,
    )
    refund.entry = posting.post(buyer, back, by).entry
    paid_for = _deal_with(buyer, refund, Programme.current(), kept_fen)
    for source, written_off in ((FORGIVEN, refund.forgiven), (PAID_IN_MONEY, paid_for)):
        if written_off:
            off = {"source": source, "contra_kind": source, "reference": back.reference}
            posting.post(buyer, Posting(kind=Entry.Kind.ADJUSTED, moves=Moves(debt=-written_off), **named | off), by)
    return paid_for


def _deal_with(buyer: Member, refund: PurchaseRefund, terms: Programme, kept_fen: int | None) -> int:
    """By policy points that are missing are owed, forgiven, or paid for out of the refund as far as it reaches.

    Money that was kept pays first. Returns how many points money pays for. Who was erased owes nothing.
    """
    missing, paid_for = refund.entry.debt, 0
    if kept_fen is None and terms.refund_policy == Policy.DEDUCT and buyer.status != Member.Status.ERASED:
        paid_for = min(missing, refund.fen // terms.fen_per_point)
        refund.deducted_fen = paid_for * terms.fen_per_point
    elif kept_fen:
        paid_for = min(missing, kept_fen // terms.fen_per_point)
    if terms.refund_policy == Policy.FORGIVE or buyer.status == Member.Status.ERASED:
        refund.forgiven = missing - paid_for
    else:
        refund.owed = missing - paid_for
    return paid_for


def _give_what_was_paid(buyer: Member, refund: PurchaseRefund, paid_for: int, by: Actor) -> None:
    """Money was kept for points that turned out not to be missing: the member has paid for them."""
    spare = refund.deducted_fen // Programme.current().fen_per_point - paid_for
    if spare <= 0 or buyer.status == Member.Status.ERASED:
        return
    given = Posting(
        kind=Entry.Kind.ADJUSTED,
        moves=Moves(available=spare),
        contra_kind=PAID_IN_MONEY,
        source=PAID_IN_MONEY,
        reference=f"paid:{refund.reference}",
        rule=refund.purchase.rule,
        channel=refund.purchase.channel,
    )
    posting.post(buyer, given, by)

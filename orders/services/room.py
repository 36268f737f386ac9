"""What of an order can still go back: pieces by line, shipping, money; beside what went and what was asked for.

The order's lock is held by the caller's act.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from uuid import UUID

from django.db.models import Sum
from django.utils.translation import gettext_lazy as _

from orders.models import Line, Order, Refund, RefundLine
from orders.shares import Shares, shares, worth

SHIPPING = "shipping"
OPEN = (Refund.State.REQUESTED, Refund.State.PROCESSING)


class OverRefunded(Exception):
    """More money than was paid, or more pieces than were bought, counting what is asked for already."""

    def __init__(self):
        super().__init__(_("This is more than what is left of what was paid"))


class UnknownLine(Exception):
    """A line that the order does not have, or the same one twice."""

    def __init__(self):
        super().__init__(_("Name each line of this order once"))


@dataclass(frozen=True)
class Wanted:
    """What goes back: (pieces, fen) by order line, and fen of the shipping; `is_reserved`: its money is set aside."""

    goods: dict[UUID, tuple[int, int]]
    shipping_fen: int = 0
    is_reserved: bool = field(default=False, compare=False)

    @property
    def amount_fen(self) -> int:
        return sum(fen for _pieces, fen in self.goods.values()) + self.shipping_fen

    @property
    def pieces(self) -> dict[UUID, int]:
        """How many pieces of each line come back; lines of which none does are left out."""
        return {line: pieces for line, (pieces, _fen) in self.goods.items() if pieces}

    def as_said(self) -> dict:
        """For knowing the same request again, whatever the order of its lines."""
        said = sorted([str(line), pieces, fen] for line, (pieces, fen) in self.goods.items())
        return {"goods": said, "shipping_fen": self.shipping_fen}

    def changed(self, amounts: dict) -> "Wanted":
        """The same goods for other fen, by order line; under "shipping" those of the shipping. Raises UnknownLine."""
        by_line = {str(line): fen for line, fen in amounts.items()}
        shipping_fen = by_line.pop(SHIPPING, self.shipping_fen)
        if not by_line.keys() <= {str(line) for line in self.goods}:
            raise UnknownLine
        goods = {line: (pieces, by_line.get(str(line), fen)) for line, (pieces, fen) in self.goods.items()}
        return replace(self, goods=goods, shipping_fen=shipping_fen)


def wanted(order: Order, items: Iterable[dict], shipping_fen: int) -> Wanted:
    """What is asked for: {line_id or external_line_id, quantity, amount_fen}. Raises UnknownLine."""
    named = _lines_by_name(order)
    goods: dict[UUID, tuple[int, int]] = {}
    for item in items:
        line = named.get(str(item.get("line_id") or "") or f"#{item.get('external_line_id', '')}")
        if line is None or line.pk in goods:
            raise UnknownLine
        goods[line.pk] = (item["quantity"], item["amount_fen"])
    return Wanted(goods, shipping_fen)


def worth_of(order: Order, items: Iterable[dict], beside: Iterable[Wanted] | None = None) -> Wanted:
    """The same with what was paid for these pieces, discounts shared alike, less what went back for them already and
    less what `beside` it is asked for: unless told, every open refund.

    The shipping comes along with the last pieces of an order of which nothing was shipped. Raises UnknownLine,
    OverRefunded.
    """
    priced = wanted(order, [item | {"amount_fen": 0} for item in items], 0)
    beside = (asked for _refund, asked in standing(order)) if beside is None else beside
    others = [_of_done(order), *beside]
    lines = {line.pk: line for line in order.lines.all()}
    parts = _parts(order, lines.values())
    left_fen, goods = money_left(order, others), {}
    for pk, (pieces, _fen) in priced.goods.items():
        before = lines[pk].refunded_quantity + pieces_of(pk, others[1:])
        gone_fen = sum(other.goods.get(pk, (0, 0))[1] for other in others)
        if before + pieces > lines[pk].quantity:
            raise OverRefunded
        fen = worth(parts.lines[pk], lines[pk].quantity, before=before, more=pieces)
        fen = max(0, min(fen, parts.lines[pk] - gone_fen, left_fen))
        goods[pk], left_fen = (pieces, fen), left_fen - fen
    whole = _is_rest(lines, others[1:], priced) and order.fulfilment_status == Order.FulfilmentStatus.NONE
    shipping_fen = parts.shipping_fen - sum(other.shipping_fen for other in others) if whole else 0
    return Wanted(goods, max(0, min(shipping_fen, left_fen)))


def rest_of(order: Order, beside: Iterable[Wanted]) -> Wanted:
    """All that can still go back beside these: every piece, what is left of what was paid for it, and of the shipping.

    Beside what stays as it is (`firm`) that is all there is, whatever members ask for.
    """
    others, lines, goods = [_of_done(order), *beside], list(order.lines.all()), {}
    parts, left_fen = _parts(order, lines), money_left(order, others)
    for line in lines:
        pieces = line.quantity - line.refunded_quantity - pieces_of(line.pk, others[1:])
        gone_fen = sum(other.goods.get(line.pk, (0, 0))[1] for other in others)
        fen = max(0, min(parts.lines[line.pk] - gone_fen, left_fen))
        if pieces > 0 or fen:
            goods[line.pk], left_fen = (max(0, pieces), fen), left_fen - fen
    shipping_fen = parts.shipping_fen - sum(other.shipping_fen for other in others)
    return Wanted(goods, max(0, min(shipping_fen, left_fen)))


def of(refund: Refund) -> Wanted:
    """What a refund asks for."""
    goods = {line.line_id: (line.quantity, line.amount_fen) for line in refund.lines.all()}
    return Wanted(goods, refund.shipping_fen, is_reserved=refund.state == Refund.State.PROCESSING)


def standing(order: Order, but: Refund | None = None) -> list[tuple[Refund, Wanted]]:
    """The order's open refunds, oldest first, and what each asks for."""
    rows = order.refunds.filter(state__in=OPEN, case=None).exclude(pk=but and but.pk)
    return [(refund, of(refund)) for refund in rows.prefetch_related("lines").order_by("created_at", "pk")]


def firm(order: Order, *, is_executed: bool) -> list[Wanted]:
    """What the open refunds ask for that give no way to a refund that is decided now, or was `executed` already."""
    return [asked for refund, asked in standing(order) if not _gives_way(refund, is_executed=is_executed)]


def fits(order: Order, asked: Wanted, others: Iterable[Wanted]) -> bool:
    """Whether there is room for it beside what went back and what the others ask for."""
    others = list(others)
    for line in order.lines.all():
        taken = line.refunded_quantity + pieces_of(line.pk, others)
        if asked.pieces.get(line.pk, 0) > line.quantity - taken:
            return False
    shipped_fen = _of_done(order).shipping_fen + sum(other.shipping_fen for other in others)
    if asked.shipping_fen and asked.shipping_fen > order.shipping_fen - shipped_fen:
        return False
    return asked.amount_fen <= money_left(order, others)


def take(order: Order, asked: Wanted, *, is_executed: bool) -> tuple[Refund | None, list[Refund]]:
    """The open request that is meant, if any, and the requests for which there is no room any more.

    Whoever refunds decides: what a member asked for stands in nobody's way; a refund that was done makes way for itself
    before everything that only waits. Raises OverRefunded.
    """
    found = standing(order)
    waiting = [(refund, other) for refund, other in found if _gives_way(refund, is_executed=is_executed)]
    meant = next((refund for refund, other in waiting if other.pieces and other.pieces == asked.pieces), None)
    staying = [other for refund, other in found if refund not in [each for each, _other in waiting]]
    if not fits(order, asked, staying):
        raise OverRefunded
    staying, losing = [*staying, asked], []
    for refund, other in waiting:
        if refund == meant:
            continue
        if fits(order, other, staying):
            staying.append(other)
        else:
            losing.append(refund)
    return meant, losing


def write(refund: Refund, wanted: Wanted) -> None:
    """Save a request and its lines as wanted."""
    refund.shipping_fen, refund.amount_fen = wanted.shipping_fen, wanted.amount_fen
    refund.save()
    refund.lines.all().delete()
    RefundLine.objects.bulk_create(
        RefundLine(refund=refund, line_id=line, quantity=pieces, amount_fen=fen)
        for line, (pieces, fen) in wanted.goods.items()
    )


def _lines_by_name(order: Order) -> dict[str, Line]:
    lines = list(order.lines.all())
    return {str(line.pk): line for line in lines} | {
        f"#{line.external_line_id}": line for line in lines if line.external_line_id
    }


def _parts(order: Order, lines: Iterable[Line]) -> Shares:
    """What was paid for each line and for the shipping."""
    return shares(
        [(line.pk, line.quantity * line.unit_price_fen) for line in lines], order.shipping_fen, order.paid_fen
    )


def _gives_way(refund: Refund, *, is_executed: bool) -> bool:
    return refund.state == Refund.State.REQUESTED and (is_executed or not refund.external_id)


def money_left(order: Order, others: Iterable[Wanted]) -> int:
    """What was paid, less what went back, is on its way back, or is asked for."""
    asked = sum(other.amount_fen for other in others if not other.is_reserved)
    return order.paid_fen - order.refunded_fen - order.refunding_fen - asked


def _of_done(order: Order) -> Wanted:
    """What went back already, as if it were one refund; its money is counted on the order, its pieces on the lines."""
    done = order.refunds.filter(state=Refund.State.DONE, case=None)
    by_line = RefundLine.objects.filter(refund__in=done).values_list("line").annotate(fen=Sum("amount_fen"))
    shipping_fen = done.aggregate(fen=Sum("shipping_fen", default=0))["fen"]
    return Wanted({line: (0, fen) for line, fen in by_line}, shipping_fen, is_reserved=True)


def _is_rest(lines: dict[UUID, Line], others: list[Wanted], asked: Wanted) -> bool:
    """Whether nothing of the order is left beside this."""
    return all(line.refunded_quantity + pieces_of(pk, [*others, asked]) >= line.quantity for pk, line in lines.items())


def pieces_of(line: UUID, wanted: Iterable[Wanted]) -> int:
    """How many pieces of a line these want, in all."""
    return sum(each.pieces.get(line, 0) for each in wanted)

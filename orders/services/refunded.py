"""What becomes of an order, its points and its buyer when a refund ends; once, in the act that ends it.

The locks on member, order and refund are held by the caller's act.
"""

from datetime import datetime

from django.db import IntegrityError, transaction
from django.db.models import Sum

from loyalty import services as loyalty
from loyalty.models import Programme, Purchase
from members import notices
from members.models import Member
from orders.models import Line, Order, PaymentCase, Refund
from orders.services import news, redeeming
from orders.services.buyers_news import tell_buyer
from orders.services.changing import change, keep
from orders.services.fulfilling import follow_refund
from orders.services.paying import TransactionKnown
from orders.shares import gone
from sync.act import Actor
from sync.clock import Clock

State = Refund.State


class _Undone(Exception):
    """Carries what would have been out of the savepoint that takes it back."""

    def __init__(self, found: loyalty.Reversed):
        super().__init__(found)
        self.found = found


def reserve(order: Order, refund: Refund, by: Actor) -> None:
    """The refund goes to the provider: its amount is set aside, what is kept for spent points is settled now."""
    refund.deducted_fen = foreseen_deduction(order, refund, by)
    refund.state, refund.next_at = State.PROCESSING, Clock()
    refund.save()
    order.refunding_fen += refund.amount_fen


def finish(order: Order | None, refund: Refund, *, transaction_id: str, refunded_at: datetime, by: Actor) -> None:
    """The money is back. News in the order of their causes: `order.refunded`, `points.reversed`, `tier.changed`.

    Raises TransactionKnown when the provider's number stands for another refund.
    """
    was_reserved = refund.state == State.PROCESSING
    refund.state, refund.transaction_id, refund.refunded_at = State.DONE, transaction_id, refunded_at
    refund.problem, refund.next_at = "", None
    try:
        with transaction.atomic():
            refund.save()
    except IntegrityError as error:
        raise TransactionKnown from error
    if order is None:
        return _resolve(refund.case, by)
    _count(order, refund, was_reserved)
    news.tell("order.refunded", order, by)
    if order.member_id and not order.is_history:
        _move_points(order, refund, by)
        _notify(order, refund)
    goods = follow_refund(order, by)
    keep(order, "refunded_fen", "refunding_fen", "open_refunds", "refund_status", *goods)


def fail(order: Order | None, refund: Refund, problem: str, by: Actor) -> None:
    """No money goes back by it: what was set aside is free again."""
    drop(order, refund, problem)
    if order:
        change(order, "order.updated", by, refunding_fen=order.refunding_fen, open_refunds=order.open_refunds)


def drop(order: Order | None, refund: Refund, problem: str) -> None:
    """The same, where the act goes on to save and tell the order."""
    if order:
        order.open_refunds -= 1
        order.refunding_fen -= refund.amount_fen if refund.state == State.PROCESSING else 0
    refund.state, refund.problem, refund.next_at = State.FAILED, problem[:80], None
    refund.save(update_fields=["state", "problem", "next_at", "decided_by"])


def foreseen_deduction(order: Order, refund: Refund, by: Actor) -> int:
    """What of its amount the programme keeps for points of this order that are spent already, in fen.

    Known before the money moves by taking the points back and undoing that.
    """
    deducts = Programme.current().refund_policy == Programme.RefundPolicy.DEDUCT
    if not deducts or not _is_purchase(order):
        return 0
    try:
        with transaction.atomic():
            raise _Undone(take_back(order, refund, None, by))
    except _Undone as undone:
        return undone.found.deducted_fen


def _count(order: Order, refund: Refund, was_reserved: bool) -> None:
    """The order's money and lines with this refund."""
    asked = dict(refund.lines.values_list("line", "quantity"))
    lines = list(order.lines.all())
    returned = [line for line in lines if asked.get(line.pk)]
    for line in returned:
        line.refunded_quantity += asked[line.pk]
    Line.objects.bulk_update(returned, ["refunded_quantity"])
    order.refunded_fen += refund.amount_fen
    order.refunding_fen -= refund.amount_fen if was_reserved else 0
    order.open_refunds -= 1
    is_whole = all(line.refunded_quantity == line.quantity for line in lines)
    if order.refunded_fen == order.paid_fen and (order.paid_fen or is_whole):
        order.refund_status = Order.RefundStatus.FULL
    elif order.refunded_fen or any(line.refunded_quantity for line in lines):
        order.refund_status = Order.RefundStatus.PARTIAL


def _move_points(order: Order, refund: Refund, by: Actor) -> None:
    """Points the order brought go, those that paid for it come back, both in proportion, whole at the end."""
    if _is_purchase(order):
        reversed_ = take_back(order, refund, refund.deducted_fen, by)
        refund.points_reversed = reversed_.points
    spent = redeeming.spent_for(order)
    if spent and not Member.objects.filter(pk=order.member_id, status=Member.Status.ERASED).exists():
        refund.points_returned = _to_return(order)
        if refund.points_returned:
            loyalty.return_redeemed(spend_entry=spent.pk, points=refund.points_returned, reference=refund.number, by=by)
    refund.save(update_fields=["points_reversed", "points_returned"])


def take_back(order: Order, refund: Refund, deducted_fen: int | None, by: Actor) -> loyalty.Reversed:
    """Take back what the refunded part of a purchase brought; `deducted_fen` as loyalty's `refund_purchase` has it."""
    return loyalty.refund_purchase(
        order_number=order.number,
        reference=refund.number,
        lines=dict(refund.lines.values_list("line", "amount_fen")),
        shipping_fen=refund.shipping_fen,
        deducted_fen=deducted_fen,
        by=by,
    )


def _is_purchase(order: Order) -> bool:
    """Whether it counted for somebody: a guest's, one from before, or one of nothing to pay did not."""
    return order.paid_fen > 0 and not order.is_history and Purchase.objects.filter(order_number=order.number).exists()


def _to_return(order: Order) -> int:
    """Of the points that paid, how many come back with this refund: by money, or by goods where no money was paid."""
    back = order.refunds.filter(state=State.DONE, case=None).aggregate(points=Sum("points_returned", default=0))
    part, whole = order.refunded_fen, order.paid_fen
    if not whole:
        lines = [(line.unit_price_fen, line) for line in order.lines.all()]
        lines = lines if any(price for price, _line in lines) else [(1, line) for _price, line in lines]
        part = sum(price * line.refunded_quantity for price, line in lines)
        whole = sum(price * line.quantity for price, line in lines)
    is_full = order.refund_status == Order.RefundStatus.FULL
    target = order.points_redeemed if is_full else gone(order.points_redeemed, part, whole)
    return max(0, target - back["points"])


def _resolve(case: PaymentCase, by: Actor) -> None:
    """The case's money is back; one that was decided stays as it was decided."""
    PaymentCase.objects.filter(pk=case.pk, resolved_at=None).update(
        action=PaymentCase.Action.REFUND, resolved_at=Clock(), resolved_by=str(by)
    )


def _notify(order: Order, refund: Refund) -> None:
    paid_back = (refund.amount_fen - refund.deducted_fen) / 100
    values = {"number": order.number, "amount": f"¥{paid_back:.2f}", "at": notices.moment(refund.refunded_at)}
    tell_buyer(order, "order_refunded", refund.number, values)

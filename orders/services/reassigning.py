"""An order that was somebody else's: given to the member who bought it, with what paying it earned."""

from functools import partial
from uuid import UUID

from django.utils.translation import gettext_lazy as _

from loyalty import services as loyalty
from members import services as members
from members.models import Member, Scope
from orders import reading
from orders.models import Intervention, Order, Payment, PaymentCase
from orders.services import handling, news, settling
from orders.services.changing import keep
from orders.services.handling import Hand
from sync import events
from sync.act import Actor, act

MOVING = (Payment.State.OPENING, Payment.State.OPEN)


class NotMovable(Exception):
    """This order stays with whom it is; the message says why."""


@act
def reassign(*, order: UUID, to: UUID, hand: Hand) -> Order | None:
    """Give an order to another member, or a guest's to a member; None when this very request was done before.

    What it earned is taken back from whom it belonged to (owed, where it is spent) and earned anew by whom it belongs
    to, by the rules in force when it was paid. Refused, and nothing changed: while a payment is under way or money is
    unclear, once money went back or is asked back, when the former owner's points paid for it, for who is erased or
    may not order. Both streams are told; no channel comes to see the
    member by it. Raises NotMovable, NoReason, Stale, Order.DoesNotExist, Problem `not_found`.
    """
    held, owner, receiver = _lock(order, to)
    if handling.was_done(hand):
        return None
    handling.require(hand, held)
    if problem := refusal(held, receiver):
        raise NotMovable(problem)
    _move(held, owner, receiver, hand.by)
    handling.keep(hand, Intervention.Kind.REASSIGNED, order=held)
    return held


def refusal(order: Order, receiver: Member | None = None) -> str:
    """Why an order stays with whom it is; nothing when it may go."""
    if order.payments.filter(state__in=MOVING).exists():
        return str(_("A payment of this order is being made: wait until it is paid or closed"))
    if order.open_refunds or order.refund_status != Order.RefundStatus.NONE:
        return str(_("Money of this order went back or is asked back: it stays with whom it is"))
    if order.points_redeemed or order.hold_id:
        return str(_("Points of its member pay for this order: it stays with them"))
    if PaymentCase.objects.filter(order=order, resolved_at=None).exists():
        return str(_("Money of this order is unclear: decide the payment case first"))
    return _refusal_of(order, receiver) if receiver else ""


def _refusal_of(order: Order, receiver: Member) -> str:
    if receiver.pk == order.member_id:
        return str(_("It is this member's order already"))
    if receiver.status == Member.Status.ERASED:
        return str(_("This member's account has been erased"))
    if receiver.is_frozen(Scope.ORDERS):
        return str(_("A frozen member cannot place orders"))
    return ""


def _lock(order: UUID, to: UUID) -> tuple[Order, Member | None, Member]:
    """Both members, ascending, then the order; read anew, should a merge or a claim have moved it meanwhile."""
    rows = Order.objects.select_for_update(no_key=True, of=["self"]).select_related("channel")
    while True:
        owner_id = Order.objects.values_list("member_id", flat=True).get(pk=order)
        *owner, receiver = members.lock(*[each for each in (owner_id, to) if each])
        held = rows.get(pk=order)
        if held.member_id in {owner_id, *(each.pk for each in owner)}:
            return held, owner[0] if owner else None, receiver


def _move(order: Order, owner: Member | None, receiver: Member, by: Actor) -> None:
    is_guest, former = owner is None, news.subject_of(order)
    order.member, order.is_by_phone = receiver, False
    type = "order.claimed" if is_guest else "order.updated"
    news.tell(type, order, by)
    if not is_guest:
        events.record("order.updated", subject=former, data=partial(reading.as_event, order), by=by)
    order.points_earned = _earn_anew(order, owner, by)
    keep(order, "member", "is_by_phone", "points_earned")


def _earn_anew(order: Order, owner: Member | None, by: Actor) -> int:
    """Take back what its payment earned, and earn it anew. Nothing was earned by an order taken over from before."""
    if order.payment_status != Order.PaymentStatus.PAID or order.is_history:
        return 0
    had_earned = owner is not None and order.paid_fen > 0
    turn = loyalty.take_back_purchase(order_number=order.number, by=by) if had_earned else 0
    return settling.earned(order, by, turn)

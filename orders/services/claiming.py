"""A guest's orders become the member's who proves the phone they were placed with."""

from datetime import timedelta
from uuid import UUID

from members.models import Member, Scope
from orders.models import Order, Recipient, Refund
from orders.services import news
from orders.services.changing import keep
from orders.services.refunded import take_back
from orders.services.settling import earned
from sync import clock, secret
from sync.act import Actor, act

WITHIN = timedelta(days=90)  # a number that is older may have had another holder


@act
def claim(*, member: UUID, phone: str, by: Actor) -> list[str]:
    """Give the member the guests' orders of the last 90 days with a phone (E.164) just proven; returns their numbers.

    Told as `order.claimed` on the member's stream, where their news are from then on; paid ones earn as they would have
    when they were paid. No channel comes to see the member by it. The member is locked. Nobody who left, was merged or
    may not order claims anything; again changes nothing.
    """
    owner = Member.objects.get(pk=member)
    if owner.status not in {Member.Status.ACTIVE, Member.Status.FROZEN} or owner.is_frozen(Scope.ORDERS):
        return []
    found = _guests_orders(phone)
    for order in found:
        _hand_over(order, owner, by)
    return [order.number for order in found]


def _guests_orders(phone: str) -> list[Order]:
    """Locked, ascending: what somebody else claimed meanwhile is theirs."""
    theirs = Recipient.objects.filter(phone_index=secret.blind_index("phone", phone))
    wanted = list(theirs.filter(order__member=None).values_list("order_id", flat=True))
    if not wanted:
        return []
    rows = Order.objects.select_for_update(no_key=True, of=["self"]).select_related("channel")
    young = rows.filter(pk__in=wanted, member=None, placed_at__gt=clock.now() - WITHIN)
    return list(young.order_by("pk"))


def _hand_over(order: Order, owner: Member, by: Actor) -> None:
    order.member, order.is_by_phone = owner, True
    news.tell("order.claimed", order, by)
    if order.payment_status == Order.PaymentStatus.PAID and order.paid_fen and not order.is_history:
        order.points_earned = earned(order, by)
        _take_back(order, by)
    keep(order, "member", "is_by_phone", "points_earned")


def _take_back(order: Order, by: Actor) -> None:
    """What was refunded before brings nothing."""
    for refund in order.refunds.filter(state=Refund.State.DONE, case=None).order_by("pk"):
        refund.points_reversed = take_back(order, refund, refund.deducted_fen, by).points
        refund.save(update_fields=["points_reversed"])

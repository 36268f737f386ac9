"""Taking the locks an order's changes need, in the house's order: members, then the order."""

from uuid import UUID

from members import services as members
from orders.models import Order


def lock_order(order_id: UUID) -> Order:
    """The order, its member and itself locked; read anew, should a merge or a claim have moved it meanwhile."""
    while True:
        member_id = Order.objects.values_list("member_id", flat=True).get(pk=order_id)
        held = {member_id} | {member.pk for member in (members.lock(member_id) if member_id else [])}
        order = Order.objects.select_for_update(no_key=True, of=["self"]).select_related("channel").get(pk=order_id)
        if order.member_id in held:
            return order

"""An order that was somebody else's: what it earned is taken back, so that the right member can earn by it anew."""

from loyalty.models import Purchase
from loyalty.services import posting
from loyalty.services.refunding import refund_purchase
from sync.act import Actor, act


@act
def take_back_purchase(*, order_number: str, by: Actor) -> int:
    """Take back all that an order still counts for with the member who has it; returns how often that was done so far.

    Points spent already are owed or forgiven as the programme says, never taken off money. The purchase is kept under
    a name of its own (`<number>~<turn>`), so that the order can earn anew. Raises Purchase.DoesNotExist.
    """
    posting.locked(Purchase.objects.select_related("account").get(order_number=order_number).account.member_id)
    purchase = Purchase.objects.get(order_number=order_number)
    turn = Purchase.objects.filter(order_number__startswith=f"{order_number}~").count() + 1
    left = {line.line: line.fen - line.refunded_fen for line in purchase.lines.all()}
    shipping_fen, name = left.pop(None, 0), f"{order_number}~{turn}"
    given = {"reference": name, "lines": left, "shipping_fen": shipping_fen, "deducted_fen": 0}
    refund_purchase(order_number=order_number, by=by, **given)
    Purchase.objects.filter(pk=purchase.pk).update(order_number=name)
    return turn

"""What hangs on whose page: orders on the member's, what belongs to an order on its own."""

from loyalty.models import Entry
from members.models import Member
from orders.admin import keys
from orders.models import (
    Line,
    Merchant,
    MerchantKey,
    Order,
    Payment,
    PaymentCase,
    Recipient,
    Refund,
    RefundLine,
    Shipment,
    ShippingFile,
    ShippingRow,
)
from sync.admin.panels import Panel, show_on


def _of(order):
    return {"order": order}


def _order_of(entry):
    """The order whose payment an entry stands for (order:<number>:paid), or that it takes back."""
    told = (entry.reverses or entry).reference.split(":")
    return {"number": told[1] if len(told) >= 3 and told[0] == "order" else ""}


show_on(
    Member,
    Panel(Order, lambda it: {"member": it}, lambda it: {"q": it.number}, without=("member",), place=30),
    Panel(
        Refund,
        lambda it: {"order__member": it, "state__in": ["requested", "processing"]},
        place=31,
        quiet=True,
    ),
)
show_on(
    Order,
    Panel(Line, _of, without=("order",), order=("position",), place=10),
    Panel(Shipment, _of, lambda it: {"q": it.number}, without=("order",), place=20, quiet=True),
    Panel(Payment, _of, lambda it: {"q": it.number}, without=("order",), place=30, quiet=True),
    Panel(PaymentCase, _of, lambda it: {"q": it.number}, without=("order",), place=31, quiet=True),
    Panel(Refund, _of, lambda it: {"q": it.number}, without=("order",), place=32, quiet=True),
    Panel(Recipient, _of, without=("order",), place=40, quiet=True),
)
show_on(Refund, Panel(RefundLine, lambda it: {"refund": it}, without=("refund",), place=10, quiet=True))
show_on(PaymentCase, Panel(Refund, lambda it: {"case": it}, place=10, quiet=True))
show_on(Entry, Panel(Order, _order_of, without=("member",), place=4, quiet=True))
show_on(Merchant, Panel(MerchantKey, lambda it: {"merchant": it}, without=("merchant",), way=keys.way))
show_on(
    ShippingFile,
    Panel(ShippingRow, lambda it: {"file": it}, lambda it: {"q": it.pk}, order=("line",), place=10, few=50),
)

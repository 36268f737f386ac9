"""Every piece of manual work there is: its button, who may, when it makes sense, what it asks for, shows and runs."""

from collections.abc import Callable
from dataclasses import dataclass

from django.db.models import Model
from django.utils.translation import gettext_lazy

from orders.admin.acts import doing, effects, forms, refunding
from orders.models import Order, PaymentCase, Refund, Shipment, ShippingUpload


@dataclass(frozen=True)
class Work:
    """One piece of manual work: its button, who may, on what, when it makes sense, its form, effect and act."""

    name: str
    title: object
    permission: str
    form: type[forms.WorkForm]
    effects: Callable[[forms.WorkForm], list[str]]
    run: Callable
    done: object
    fits: Callable[[Order | None, Model | None], bool]
    of: type[Model] | None = None
    is_bad: bool = False
    is_next: bool = False  # what is usually done next


def _has_left(order: Order) -> bool:
    return order.refunded_fen + order.refunding_fen < order.paid_fen


def _is_due(order: Order, of) -> bool:
    return order.payment_status == "paid" and order.fulfilment_status in {"none", "partial"} and _has_left(order)


def _is_under_way(order: Order, parcel: Shipment) -> bool:
    is_over = order.fulfilment_status in {"delivered", "completed"}
    return not (parcel.withdrawn_at or parcel.delivered_at or is_over)


def _is_unsent(order: Order, of) -> bool:
    return order.fulfilment_status in {"none", "partial"} and order.payment_status != "closed"


def _is_unpaid(order: Order, of) -> bool:
    return order.payment_status == "unpaid"


def _is_refundable(order: Order, of) -> bool:
    return order.payment_status == "paid" and _has_left(order)


def _may_be_corrected(order: Order, upload: ShippingUpload) -> bool:
    return upload.state == "sent" and upload.problem == "differs" and not upload.is_corrected


SHIP, MONEY = "orders.ship_order", "orders.refund_order"
WORK = [
    Work(
        *("ship", gettext_lazy("Ship"), SHIP, forms.ShipForm, effects.ship, doing.ship),
        *(gettext_lazy("The parcel is on its way"), _is_due),
        is_next=True,
    ),
    Work(
        *("pay", gettext_lazy("Mark as paid offline"), "orders.mark_paid", forms.PaidForm, effects.pay, doing.pay),
        *(gettext_lazy("The order is paid"), _is_unpaid),
    ),
    Work(
        *("address", gettext_lazy("Change address"), "orders.edit_recipient", forms.AddressForm),
        *(effects.address, doing.address, gettext_lazy("The address is changed"), _is_unsent),
    ),
    Work(
        *("refund", gettext_lazy("Refund"), MONEY, refunding.RefundForm, effects.refund, doing.refund),
        *(gettext_lazy("The refund is under way"), _is_refundable),
    ),
    Work(
        *("reassign", gettext_lazy("Give to another member"), "orders.reassign_order", forms.ReassignForm),
        *(effects.reassign, doing.reassign, gettext_lazy("The order is the other member's now")),
        lambda order, of: True,
    ),
    Work(
        *(
            "cancel",
            gettext_lazy("Close the order"),
            "orders.cancel_order",
            forms.WorkForm,
            effects.cancel,
            doing.cancel,
        ),
        *(gettext_lazy("The order is closed"), _is_unpaid),
        is_bad=True,
    ),
    Work(
        *("waybill", gettext_lazy("Correct waybill"), SHIP, forms.WaybillForm, effects.waybill, doing.waybill),
        *(gettext_lazy("The waybill is corrected"), _is_under_way, Shipment),
    ),
    Work(
        *("withdraw", gettext_lazy("Withdraw parcel"), SHIP, forms.WorkForm, effects.withdraw, doing.withdraw),
        *(gettext_lazy("The parcel is withdrawn"), _is_under_way, Shipment),
        is_bad=True,
    ),
    Work(
        *("approve", gettext_lazy("Approve refund"), MONEY, refunding.ApproveForm, effects.approve, doing.approve),
        *(gettext_lazy("Approved"), lambda order, it: it.state == "requested", Refund),
        is_next=True,
    ),
    Work(
        *("decline", gettext_lazy("Decline refund"), MONEY, forms.WorkForm, effects.decline, doing.decline),
        *(gettext_lazy("Declined"), lambda order, it: it.state == "requested", Refund),
        is_bad=True,
    ),
    Work(
        *("decide", gettext_lazy("Decide case"), "orders.decide_payment_case", forms.CaseForm),
        *(effects.decide, doing.decide, gettext_lazy("Decided")),
        *(lambda order, it: it.resolved_at is None, PaymentCase),
        is_next=True,
    ),
    Work(
        *("correct", gettext_lazy("Tell WeChat anew"), SHIP, forms.WorkForm, effects.correct, doing.correct),
        *(gettext_lazy("WeChat is told anew"), _may_be_corrected, ShippingUpload),
    ),
    Work(
        *("resend", gettext_lazy("Tell WeChat again"), SHIP, forms.WorkForm, effects.resend, doing.resend),
        *(gettext_lazy("WeChat is told again"), lambda order, it: it.state == "failed", ShippingUpload),
    ),
]
BY_NAME = {each.name: each for each in WORK}

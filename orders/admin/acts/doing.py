"""What each piece of manual work runs: the owner's act inside the one that keeps who did it and why."""

from collections.abc import Callable
from functools import partial

from orders import services
from orders.admin.acts.forms import WorkForm
from orders.models import Intervention, Order
from orders.payments import closing
from orders.services import handling, reassigning, refunding, shipping
from orders.services.handling import Hand
from orders.shipping import uploading

Kind = Intervention.Kind
TRIES = 3  # payments that may be opened while the ones before them are being closed


def ship(form: WorkForm, hand: Hand, request):
    """Send a parcel."""
    given = {name: form.cleaned_data[name] for name in ("carrier", "tracking_number")}
    do = partial(shipping.ship, order=form.order.pk, items=form.items(), by=hand.by, **given)
    return handling.by_hand(order=form.order.pk, kind=Kind.SHIPPED, hand=hand, do=do)


def waybill(form: WorkForm, hand: Hand, request):
    """Correct who carries a parcel under which number."""
    do = partial(shipping.correct_shipment, shipment=form.of.pk, by=hand.by, **form.changes())
    return handling.by_hand(order=form.order.pk, kind=Kind.WAYBILL, hand=hand, do=do)


def withdraw(form: WorkForm, hand: Hand, request):
    """Take back a parcel entered by mistake."""
    do = partial(shipping.withdraw_shipment, shipment=form.of.pk, by=hand.by)
    return handling.by_hand(order=form.order.pk, kind=Kind.WITHDRAWN, hand=hand, do=do)


def address(form: WorkForm, hand: Hand, request):
    """Change where it goes."""
    changes = {"address": form.address()}
    do = partial(services.edit, order=form.order.pk, changes=changes, occurred_at=None, by=hand.by)
    return handling.by_hand(order=form.order.pk, kind=Kind.ADDRESS, hand=hand, do=do)


def pay(form: WorkForm, hand: Hand, request):
    """Settle it by money taken outside; what is open at a provider is closed there first."""
    money = {name: form.cleaned_data[name] for name in ("transaction_id", "paid_at")}
    order = form.order
    money |= {"provider": "offline", "amount_fen": order.total_fen, "number": order.number, "channel": order.channel}
    do = partial(services.take_payment, by=hand.by, **money)
    return _once_nothing_is_open(order, hand, partial(_settled, do), Kind.PAID)


def cancel(form: WorkForm, hand: Hand, request):
    """Close it; what is open at a provider is closed there first."""
    do = partial(services.close, order=form.order.pk, by=hand.by)
    return _once_nothing_is_open(form.order, hand, do, Kind.CLOSED)


def reassign(form: WorkForm, hand: Hand, request):
    """Give it to the member whose it is."""
    return reassigning.reassign(order=form.order.pk, to=form.cleaned_data["member"].pk, hand=hand)


def refund(form: WorkForm, hand: Hand, request):
    """Give money back."""
    given = {"items": form.chosen(), "shipping_fen": form.cleaned_data["shipping"] or 0, "executed": form.executed()}
    do = partial(refunding.refund, order=form.order.pk, reason=hand.reason, by=hand.by, **given)
    return handling.by_hand(order=form.order.pk, kind=Kind.REFUNDED, hand=hand, do=do)


def approve(form: WorkForm, hand: Hand, request):
    """Let a request be refunded."""
    given = {"amounts": form.amounts(), "executed": form.executed()}
    do = partial(refunding.approve_refund, refund=form.of.pk, by=hand.by, **given)
    return handling.by_hand(order=form.order.pk, kind=Kind.DECIDED, hand=hand, do=do)


def decline(form: WorkForm, hand: Hand, request):
    """Say no to a request."""
    do = partial(refunding.decline_refund, refund=form.of.pk, by=hand.by)
    return handling.by_hand(order=form.order.pk, kind=Kind.DECIDED, hand=hand, do=do)


def decide(form: WorkForm, hand: Hand, request):
    """Decide what becomes of money that does not fit."""
    do = partial(services.decide_case, case=form.of.pk, action=form.cleaned_data["action"], by=hand.by)
    if form.order is None:
        return handling.decide_by_hand(case=form.of.pk, hand=hand, do=do)
    return handling.by_hand(order=form.order.pk, kind=Kind.CASE, hand=hand, do=do)


def correct(form: WorkForm, hand: Hand, request):
    """Tell WeChat anew, the one time that it allows."""
    do = partial(uploading.correct, upload=form.of.pk, by=hand.by)
    return handling.by_hand(order=form.order.pk, kind=Kind.CORRECTED, hand=hand, do=do)


def resend(form: WorkForm, hand: Hand, request):
    """Send anew what WeChat refused."""
    do = partial(uploading.resend, upload=form.of.pk, by=hand.by)
    return handling.by_hand(order=form.order.pk, kind=Kind.CORRECTED, hand=hand, do=do)


def _once_nothing_is_open(order: Order, hand: Hand, do: Callable, kind: str):
    """Do it as soon as no payment of the order is open at a provider. Not in a transaction: providers are asked."""
    for _try in range(TRIES):
        try:
            return handling.by_hand(order=order.pk, kind=kind, hand=hand, do=do)
        except services.Occupied as occupied:
            closing.make_way(occupied.payment)
    raise services.InProgress


def _settled(take: Callable):
    """Money taken, unless a payment is open: then that one is to be closed first. Raises Occupied, NotSettled."""
    order = Order.objects.get(number=take.keywords["number"])
    if live := order.payments.filter(state__in=["opening", "open"]).select_related("order", "merchant").first():
        raise services.Occupied(live)
    if order.payment_status == Order.PaymentStatus.PAID:
        raise services.WrongState
    return take()

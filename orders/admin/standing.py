"""Where an order stands, in one sentence or two, and what comes next by itself."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Model
from django.utils import timezone
from django.utils.translation import gettext as _

from orders import queries
from orders.admin.columns import provider, status_of
from orders.models import Line, Order, Payment, Refund, Shipment, ShippingUpload
from orders.rules import Status
from sync.admin.shown import moment, yuan


@dataclass(frozen=True)
class Alarm:
    """What waits for a person or went wrong, and the row it is about: (its kind, the row)."""

    text: str
    about: tuple[str, Model]

    def __str__(self):
        return self.text


Pay, Goods = Order.PaymentStatus, Order.FulfilmentStatus
STEPS = {1: timedelta(minutes=1), 2: timedelta(minutes=5), 3: timedelta(minutes=30)}
TROUBLE = {"problem", "returning", "returned", "refused"}


def of(order: Order) -> dict:
    """`said`: sentences in order of weight; `alarms`: what waits for a person or went wrong. Five queries at most."""
    payments, refunds = list(order.payments.all()), list(order.refunds.filter(state__in=["requested", "processing"]))
    parcels = list(order.shipments.filter(withdrawn_at=None).select_related("carried_by").defer("tracking"))
    said = [*_of_money(order, payments), *_of_goods(order, parcels)]
    alarms = [*_of_cases(order), *_of_refunds(refunds), *_of_parcels(parcels), *_of_uploads(order)]
    return {"said": [each for each in said if each], "alarms": alarms, "goods": _bought(order)}


def _bought(order: Order) -> list[dict]:
    """What was bought, and how much of it left or came back, where that is not all or nothing."""
    return [{"name": it.name, "quantity": it.quantity, "note": _note(it)} for it in order.lines.all()]


def _note(line: Line) -> str:
    sent = _("%(count)s sent") % {"count": line.shipped_quantity} if 0 < line.shipped_quantity < line.quantity else ""
    back = _("%(count)s refunded") % {"count": line.refunded_quantity} if line.refunded_quantity else ""
    return " · ".join(each for each in (sent, back) if each)


def _of_money(order: Order, payments: list[Payment]) -> Iterator[str]:
    told = {"sum": yuan(order.total_fen), "at": _short(order.closes_at), "paid": yuan(order.paid_fen)}
    if order.payment_status == Pay.UNPAID:
        yield _("Waits for %(sum)s.") % told
        if order.closes_at:
            yield _("Closes by itself at %(at)s unless paid; the provider is asked first.") % told
        yield from (_asked(each) for each in payments if each.state == Payment.State.OPEN)
    elif order.payment_status == Pay.CLOSED:
        yield _("Closed at %(at)s without being paid; nothing more happens by itself.") % {
            "at": _short(order.closed_at)
        }
    elif order.refund_status == Order.RefundStatus.FULL:
        yield _("Paid %(paid)s, all of it given back.") % told
    else:
        yield _paid(order)


def _paid(order: Order) -> str:
    told = {"paid": yuan(order.paid_fen), "at": _short(order.paid_at), "back": yuan(order.refunded_fen)}
    if order.refunded_fen:
        return _("Paid %(paid)s at %(at)s, of which %(back)s went back.") % told
    return _("Paid %(paid)s at %(at)s.") % told


def _asked(payment: Payment) -> str:
    told = {"provider": provider(payment.provider), "count": payment.asks}
    if not payment.asks:
        return _("A payment is open at %(provider)s.") % told
    again = due_at(payment)
    if again is None:
        return _("%(provider)s was asked %(count)s times.") % told
    return _("%(provider)s was asked %(count)s times, again at %(at)s.") % (told | {"at": _short(again)})


def due_at(payment: Payment) -> datetime | None:
    """When the provider is asked about an open payment next, as `payments.asking` does it."""
    if payment.asked_at is None or payment.expires_at is None:
        return None
    step = STEPS.get(payment.asks)
    due = payment.created_at + step if step else payment.asked_at + timedelta(hours=1)
    return max(payment.asked_at + timedelta(seconds=30), min(due, payment.expires_at))


def _of_goods(order: Order, parcels: list[Shipment]) -> Iterator[str]:
    if order.payment_status == Pay.CLOSED or (order.payment_status == Pay.UNPAID and not parcels):
        return
    if order.refund_status == Order.RefundStatus.FULL and not parcels:
        return
    told = {"count": len(parcels), "at": _short(order.completes_at), "done": _short(order.completed_at)}
    match order.fulfilment_status:
        case Goods.NONE if status_of(order) != Status.PAID:  # else the badge says so
            yield _("Waits to be shipped.")
        case Goods.PARTIAL:
            yield _("%(count)s parcels sent, the rest waits to be shipped.") % told
        case Goods.SHIPPED:
            yield _("Everything is on its way in %(count)s parcels.") % told
        case Goods.DELIVERED:
            yield _("Everything arrived at %(at)s.") % {"at": _short(order.delivered_at)}
        case Goods.COMPLETED:
            yield _("Completed at %(done)s.") % told
    if order.completes_at and order.fulfilment_status in {Goods.SHIPPED, Goods.DELIVERED}:
        yield _("Completes by itself at %(at)s.") % told


def _of_cases(order: Order) -> Iterator[Alarm]:
    for each in order.cases.filter(resolved_at=None):
        told = {"sum": yuan(each.amount_fen), "kind": each.get_kind_display(), "action": each.get_proposed_display()}
        yield Alarm(
            _("%(sum)s do not fit (%(kind)s) and wait for a decision; proposed: %(action)s.") % told, ("case", each)
        )


def _of_refunds(refunds: list[Refund]) -> Iterator[Alarm]:
    for each in refunds:
        told = {"number": each.number, "sum": yuan(each.amount_fen), "at": _short(each.created_at)}
        told["provider"] = provider(each.provider)
        if each.state == Refund.State.REQUESTED:
            said = _("Refund %(number)s over %(sum)s waits for a decision since %(at)s.") % told
            yield Alarm(said, ("refund", each))
        else:
            said = _("Refund %(number)s over %(sum)s is with %(provider)s since %(at)s.") % told
            yield Alarm(said, ("refund", each))


def _of_parcels(parcels: list[Shipment]) -> Iterator[Alarm]:
    for each in parcels:
        told = {"name": f"{queries.carrier_name(each)} {each.tracking_number}".strip()}
        if each.state in TROUBLE:
            yield Alarm(
                _("Parcel %(name)s: %(state)s.") % (told | {"state": each.get_state_display()}), ("shipment", each)
            )
        elif each.watch == Shipment.Watch.REFUSED:
            yield Alarm(_("Nobody follows the parcel %(name)s: see to its number.") % told, ("shipment", each))


def _of_uploads(order: Order) -> Iterator[Alarm]:
    rows = ShippingUpload.objects.filter(payment__order=order).exclude(state="sent").select_related("payment")
    for each in rows:
        told = {"sum": yuan(each.payment.amount_fen), "at": _short(each.next_at), "why": each.problem}
        if each.state == ShippingUpload.State.FAILED:
            yield Alarm(
                _("WeChat refused to be told of the shipping (%(why)s): %(sum)s stay frozen.") % told, ("upload", each)
            )
        elif each.attempts:
            yield Alarm(
                _("WeChat does not know of the shipping yet: %(sum)s are frozen; next try at %(at)s.") % told,
                ("upload", each),
            )


def _short(at: datetime | None) -> str:
    """A time as people say it: without the day when it is today's, without seconds."""
    if at is None:
        return "–"
    is_today = timezone.localdate(at) == timezone.localdate()
    return moment(at)[11:16] if is_today else moment(at)[5:16]

"""Payments on their way: an intention before the provider is called, its result after."""

from datetime import datetime, timedelta
from uuid import UUID

from django.utils.translation import gettext_lazy as _

from orders.models import Merchant, Order, Payment
from orders.rules import WECHAT_PAY
from sync import clock
from sync.act import act
from sync.models import Channel

TTL = timedelta(hours=2)  # how long what WeChat Pay opened may be paid, but never longer than the order waits
LEAST = timedelta(minutes=1)  # what closes sooner is not opened: WeChat Pay would not take it
WORTH = timedelta(minutes=5)  # what expires sooner is not handed out again
CALLING = timedelta(seconds=30)  # how long an opening may be under way before it counts as lost
LIVE = (Payment.State.OPENING, Payment.State.OPEN)


class WrongState(Exception):
    """The order is past the point where this makes sense."""

    def __init__(self, why: object = ""):
        super().__init__(why or _("The order is not waiting for payment"))


class InProgress(Exception):
    """Money may be moving: the order cannot take another payment now."""

    def __init__(self):
        super().__init__(_("A payment of this order is being made"))


class Occupied(Exception):
    """Another payment is open: it has to be asked about and closed first."""

    def __init__(self, payment: Payment):
        super().__init__(payment.pk)
        self.payment = payment


@act
def open_payment(
    *, number: str, member: UUID, channel: Channel, method: str, merchant: Merchant, payer: str | None
) -> Payment:
    """Intend a payment; in state `open` it is an earlier one of the same method and payer, ready to be used again.

    Raises Order.DoesNotExist, WrongState, InProgress, and Occupied when another payment stands in the way.
    """
    order = lock_own(number, member)
    if order.payment_status != Order.PaymentStatus.UNPAID:
        raise WrongState
    now, live = clock.now(), order.payments.filter(state__in=LIVE).select_related("order", "merchant").first()
    if live is None:
        expires_at = min(now + TTL, order.closes_at or now + TTL)
        if expires_at - now < LEAST:
            raise WrongState
        return Payment.objects.create(
            order=order,
            provider=WECHAT_PAY,
            method=method,
            payer=payer,
            channel=channel,
            app_id=channel.app_id,
            merchant=merchant,
            amount_fen=order.total_fen,
            expires_at=expires_at,
        )
    if live.state == Payment.State.OPENING and now - live.created_at < CALLING:
        raise InProgress
    if not is_same(live, order, method, payer, now):
        raise Occupied(live)
    return live


def is_same(live: Payment, order: Order, method: str, payer: str | None, now: datetime) -> bool:
    """Whether an open payment is what is asked for, with time left to pay it: as much as a new one would have."""
    asked = (Payment.State.OPEN, method, payer, order.total_fen)
    worth = max(LEAST, min(WORTH, order.closes_at - now) if order.closes_at else WORTH)
    return (live.state, live.method, live.payer, live.amount_fen) == asked and live.expires_at - now >= worth


@act
def attach_prepay(*, payment: UUID, params: str) -> Payment:
    """The provider opened it: `params` (JSON) is what a client pays with. Raises WrongState when it came too late."""
    found = _locked(payment)
    unpaid = found.order.payment_status == Order.PaymentStatus.UNPAID
    if found.state != Payment.State.OPENING or not unpaid:
        raise WrongState
    found.state, found.params = Payment.State.OPEN, params
    found.save(update_fields=["state", "params"])
    return found


@act
def close_payment(*, payment: UUID) -> Payment:
    """No money will come by it: the provider said so, or never opened it. A paid one stays paid."""
    found = _locked(payment)
    if found.state in LIVE:
        found.state = Payment.State.CLOSED
        found.save(update_fields=["state"])
    return found


def lock_own(number: str, member: UUID) -> Order:
    """A member's own order, locked. Raises Order.DoesNotExist."""
    rows = Order.objects.select_for_update(no_key=True, of=["self"]).select_related("channel")
    return rows.get(number=number, member=member)


def _locked(payment: UUID) -> Payment:
    order_id = Payment.objects.values_list("order_id", flat=True).get(pk=payment)
    Order.objects.select_for_update(no_key=True).get(pk=order_id)
    return Payment.objects.select_for_update(no_key=True, of=["self"]).select_related("order").get(pk=payment)

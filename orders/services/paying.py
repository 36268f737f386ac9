"""Money that came in: settled once, or kept as a case when it does not fit."""

from datetime import datetime
from uuid import UUID

from django.utils.translation import gettext_lazy as _

from loyalty.ledger import alone
from orders.models import Order, Payment, PaymentCase
from orders.rules import WECHAT_PAY
from orders.services import casing
from orders.services.locks import lock_order
from orders.services.settling import settle
from sync.act import Actor, act
from sync.models import Channel

CURRENCY = "CNY"
Kind = PaymentCase.Kind


class TransactionKnown(Exception):
    """The provider's number already stands for other money."""

    def __init__(self):
        super().__init__(_("The provider's number already stands for another payment"))


@act
def mark_paid(
    *, payment: UUID, transaction_id: str, amount_fen: int, paid_at: datetime, by: Actor, currency: str = CURRENCY
) -> Payment | PaymentCase:
    """Settle an order once: its state, the points it used, those it brings and the news of it, all or nothing.

    Money that does not fit (wrong amount, closed order, paid twice, unknown payment) becomes a case, once per
    provider's number. Telling it again changes nothing.
    """
    order_id = Payment.objects.values_list("order_id", flat=True).filter(pk=payment).first()
    money = {"transaction_id": transaction_id, "amount_fen": amount_fen, "paid_at": paid_at, "by": by}
    if order_id is None:
        return casing.open_case(Kind.UNKNOWN_ORDER, provider=WECHAT_PAY, out_trade_no=payment.hex, **money)
    order = lock_order(order_id)
    rows = Payment.objects.select_for_update(no_key=True, of=["self"]).select_related("merchant", "channel")
    found = rows.get(pk=payment)
    if found.state == Payment.State.PAID and found.transaction_id == transaction_id:
        return found
    whence = {"provider": found.provider, "merchant": found.merchant, "channel": found.channel}
    if currency != CURRENCY:
        money["amount_fen"] = 0  # it is not fen: it fits nothing, and staff give it back where they see it
    if kind := misfit(order, found, transaction_id, money["amount_fen"]):
        return casing.open_case(kind, order=order, payment=found, out_trade_no=payment.hex, **whence, **money)
    found.state, found.transaction_id, found.paid_at = Payment.State.PAID, transaction_id, paid_at
    found.save(update_fields=["state", "transaction_id", "paid_at"])
    settle(order, paid_fen=found.amount_fen, paid_at=paid_at, by=by)
    return found


def misfit(order: Order, payment: Payment, transaction_id: str, amount_fen: int) -> PaymentCase.Kind | None:
    """Why this money does not settle the order; None when it does."""
    if order.payment_status == Order.PaymentStatus.PAID or _known(payment.provider, transaction_id):
        return Kind.PAID_TWICE  # or a person decides about this money already
    if {amount_fen, payment.amount_fen} != {order.total_fen}:  # a total changed since is not paid by the old one
        return Kind.WRONG_AMOUNT
    if order.payment_status == Order.PaymentStatus.CLOSED or payment.state == Payment.State.CLOSED:
        return Kind.AFTER_CLOSE
    return None


@act
def take_payment(
    *,
    number: str,
    channel: Channel,
    provider: str,
    transaction_id: str,
    amount_fen: int,
    paid_at: datetime,
    by: Actor,
) -> tuple[Payment | PaymentCase, bool]:
    """Money the channel took itself; returns what became of it and whether it is new.

    The same again changes nothing. Money that does not fit becomes a case; what came after closing re-opens the order
    when no points were used. Raises Order.DoesNotExist for an order
    that is not the channel's own, TransactionKnown when the provider's number stands for other money.
    """
    order = lock_order(Order.objects.values_list("pk", flat=True).get(number=number, channel=channel))
    alone(f"money {provider} {transaction_id}")  # it may be told of another order at this very moment
    if known := _known(provider, transaction_id):
        if (known.order_id, known.amount_fen) != (order.pk, amount_fen):
            raise TransactionKnown
        return known, False
    money = {"provider": provider, "transaction_id": transaction_id, "paid_at": paid_at}
    payment = Payment(order=order, channel=channel, amount_fen=order.total_fen, state=Payment.State.PAID, **money)
    if kind := misfit(order, payment, transaction_id, amount_fen):
        casing.open_case(kind, order=order, channel=channel, amount_fen=amount_fen, by=by, **money)
        return _known(provider, transaction_id), True
    Payment.objects.bulk_create([payment], ignore_conflicts=True)
    if not Payment.objects.filter(pk=payment.pk).exists():
        raise TransactionKnown  # told of another order at this very moment
    settle(order, paid_fen=payment.amount_fen, paid_at=paid_at, by=by)
    return payment, True


def _known(provider: str, transaction_id: str) -> Payment | PaymentCase | None:
    named = {"provider": provider, "transaction_id": transaction_id}
    return Payment.objects.filter(**named).first() or PaymentCase.objects.filter(**named).first()

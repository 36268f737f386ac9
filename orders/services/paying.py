"""Money that came in: settled once, or kept as a case when it does not fit."""

from datetime import datetime
from uuid import UUID

from django.utils.translation import gettext_lazy as _

from loyalty import services as loyalty
from orders.models import Order, Payment, PaymentCase
from orders.services import news
from orders.services.changing import keep
from orders.services.locks import lock_order
from sync.act import Actor, act
from sync.models import Channel

WECHAT_PAY = "wechat_pay"
Kind = PaymentCase.Kind


class TransactionKnown(Exception):
    """The provider's number already stands for other money."""

    def __init__(self):
        super().__init__(_("The provider's number already stands for another payment"))


@act
def mark_paid(
    *, payment: UUID, transaction_id: str, amount_fen: int, paid_at: datetime, by: Actor
) -> Payment | PaymentCase:
    """Settle an order once: its state, the member's points and the news of it, all or nothing.

    Money that does not fit (wrong amount, closed order, paid twice, unknown payment) becomes a case, once per
    provider's number. Telling it again changes nothing.
    """
    found = Payment.objects.filter(pk=payment).first()
    money = {"transaction_id": transaction_id, "amount_fen": amount_fen, "paid_at": paid_at}
    if found is None:
        return open_case(Kind.UNKNOWN_ORDER, provider=WECHAT_PAY, out_trade_no=payment.hex, **money)
    order = lock_order(found.order_id)
    found = Payment.objects.select_for_update(no_key=True).get(pk=payment)
    if found.state == Payment.State.PAID and found.transaction_id == transaction_id:
        return found
    if kind := misfit(order, found, transaction_id, amount_fen):
        return open_case(kind, order=order, provider=found.provider, out_trade_no=payment.hex, **money)
    found.state, found.transaction_id, found.paid_at = Payment.State.PAID, transaction_id, paid_at
    found.save(update_fields=["state", "transaction_id", "paid_at"])
    _settle(order, found, by)
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

    The same again changes nothing. Money that does not fit becomes a case. Raises Order.DoesNotExist for an order
    that is not the channel's own, TransactionKnown when the provider's number stands for other money.
    """
    order = lock_order(Order.objects.values_list("pk", flat=True).get(number=number, channel=channel))
    if known := _known(provider, transaction_id):
        if (known.order_id, known.amount_fen) != (order.pk, amount_fen):
            raise TransactionKnown
        return known, False
    money = {"provider": provider, "transaction_id": transaction_id, "paid_at": paid_at}
    payment = Payment(order=order, channel=channel, amount_fen=order.total_fen, state=Payment.State.PAID, **money)
    if kind := misfit(order, payment, transaction_id, amount_fen):
        return open_case(kind, order=order, amount_fen=amount_fen, **money), True
    Payment.objects.bulk_create([payment], ignore_conflicts=True)
    if not Payment.objects.filter(pk=payment.pk).exists():
        raise TransactionKnown  # told of another order at this very moment
    _settle(order, payment, by)
    return payment, True


def _settle(order: Order, payment: Payment, by: Actor) -> None:
    """The order becomes paid by this payment; points follow. The locks are held."""
    order.payment_status, order.paid_fen, order.paid_at = Order.PaymentStatus.PAID, payment.amount_fen, payment.paid_at
    news.tell("order.paid", order, by)
    if order.member_id:
        order.points_earned = loyalty.earn_for_purchase(
            member=order.member_id,
            order_number=order.number,
            lines=[(line.pk, line.sku, line.quantity * line.unit_price_fen) for line in order.lines.all()],
            shipping_fen=order.shipping_fen,
            paid_fen=payment.amount_fen,
            paid_at=payment.paid_at,
            channel=order.channel,
            by=by,
        )
    keep(order, "payment_status", "paid_fen", "paid_at", "points_earned")


@act
def open_case(kind: PaymentCase.Kind, *, provider: str, transaction_id: str, **known) -> PaymentCase:
    """Keep money that does not fit for a person to decide; once per provider's number."""
    case, _is_new = PaymentCase.objects.get_or_create(
        provider=provider, transaction_id=transaction_id, defaults={"kind": kind} | known
    )
    return case


def _known(provider: str, transaction_id: str) -> Payment | PaymentCase | None:
    named = {"provider": provider, "transaction_id": transaction_id}
    return Payment.objects.filter(**named).first() or PaymentCase.objects.filter(**named).first()

"""A member's orders when they take a copy of their data, and when they are forgotten.

What the books need of an order stays: what was sold, for how much, when, paid how. Who it went to goes.
"""

import json
from uuid import UUID

from django.db.models import F, Q, QuerySet

from orders import queries
from orders.models import Order, Payment, PaymentCase, Recipient
from orders.payments import wechat_pay
from orders.shipping import uploading
from sync import events, forgetting
from sync.act import SYSTEM
from sync.clock import Clock
from sync.forgetting import EVERYWHERE, Words
from sync.http import instant

BATCH = 500
OVER = Q(fulfilment_status__in=["delivered", "completed"]) | Q(refund_status="full")
OPEN = Q(payment_status="unpaid") | Q(open_refunds__gt=0) | Q(payment_status="paid") & ~OVER


def copies(member: UUID) -> list[dict]:
    """Every order of the member with lines, recipient and payments, newest first."""
    found = queries.whole().filter(member=member).select_related("recipient").prefetch_related("payments")
    return [_copy(order) for order in found.order_by("-placed_at", "-pk")]


def blocks(member: UUID) -> list[str]:
    """`order` while one is unpaid, on its way or being refunded, `payment_case` while money of one is unclear."""
    unclear = PaymentCase.objects.filter(order__member=member, resolved_at=None).exists()
    is_open = Order.objects.filter(OPEN, member=member).exists()
    return [reason for reason, holds in (("order", is_open), ("payment_case", unclear)) if holds]


def words_of(member: UUID) -> Words:
    """Numbers of their orders, each channel's own for them, the hub's for their payments."""
    words: Words = set()
    for number, external_id, code in _of(member).values_list("number", "external_id", "channel__code"):
        words |= {(EVERYWHERE, number), (f"channels/{code}", external_id)}
    payments = Payment.objects.filter(order__member=member).values_list("pk", flat=True)
    return words | {(EVERYWHERE, wechat_pay.out_trade_no(payment)) for payment in payments}


def forget(member: UUID) -> dict:
    """Drop recipients, notes and payers of the member's orders; returns counts of what is gone and of what stays."""
    noted = list(_of(member).filter(buyer_note__isnull=False).values_list("pk", flat=True))
    changed = Order.objects.filter(pk__in=noted)
    changed.update(buyer_note=None, version=F("version") + 1, updated_at=Clock())
    for order in queries.whole().filter(pk__in=noted).order_by("id").iterator(BATCH):
        events.record("order.updated", subject=events.of_member(member), data=queries.told(order), by=SYSTEM)
    payments = Payment.objects.filter(order__member=member)
    streams = forgetting.forget_subjects([events.of_order(each.number) for each in _of(member)])
    return {
        "gone": {
            "recipients": Recipient.objects.filter(order__member=member).delete()[0],
            "buyer_notes": len(noted),
            "uploads": uploading.forget(list(payments.values_list("pk", flat=True))),
            "payers": payments.filter(payer__isnull=False).update(payer=None, params=None),
            "receivers_answers": streams["receivers_answers"],
        },
        "kept": {"orders": _of(member).count(), "payments": payments.update(params=None)},
    }


def _of(member: UUID) -> QuerySet[Order]:
    return Order.objects.filter(member=member)


def _copy(order: Order) -> dict:
    kept = getattr(order, "recipient", None) or Recipient(order=order)
    return queries.as_order(order) | {
        "recipient": {"receiver": kept.receiver or "", "phone": kept.phone or ""} | json.loads(kept.address or "{}"),
        "contact": json.loads(kept.contact or "{}"),
        "payments": [_as_payment(payment) for payment in order.payments.all()],
    }


def _as_payment(payment: Payment) -> dict:
    return {
        "provider": payment.provider,
        "method": payment.method,
        "amount_fen": payment.amount_fen,
        "state": payment.state,
        "transaction_id": payment.transaction_id,
        "paid_at": instant(payment.paid_at),
    }

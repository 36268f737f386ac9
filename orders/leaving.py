"""A member's orders when they take a copy of their data, and when they are forgotten.

What the books need of an order stays: what was sold, for how much, when, paid how. Who it went to goes.
"""

import json
from uuid import UUID

import pgtrigger
from django.db.models import F, Q, QuerySet

from orders import queries
from orders.models import Disclosure, Intervention, Order, Payment, PaymentCase, Recipient, Refund, Shipment
from orders.payments import wechat_pay
from orders.shipping import uploading
from sync import events, forgetting
from sync.act import SYSTEM
from sync.clock import Clock
from sync.forgetting import EVERYWHERE, Words
from sync.http import instant

BATCH = 500
OVER = Q(fulfilment_status__in=["delivered", "completed"]) | Q(refund_status="full")
OPEN = Q(payment_status="unpaid") | Q(open_refunds__gt=0) | Q(payment_status="paid", is_history=False) & ~OVER
MOVING = [Refund.State.REQUESTED, Refund.State.PROCESSING]


def copies(member: UUID) -> list[dict]:
    """Every order of the member with lines, recipient, parcels, payments and refunds, newest first."""
    parts = ["payments", "refunds"]
    found = queries.whole().filter(member=member).select_related("recipient").prefetch_related(*parts)
    return [_copy(order) for order in found.order_by("-placed_at", "-pk")]


def blocks(member: UUID) -> list[str]:
    """`order` while one is unpaid, on its way or being refunded, `payment_case` while other money of one is unclear.

    An order from before the hub is over, however it ended.
    """
    unclear = PaymentCase.objects.filter(Q(resolved_at=None) | Q(refunds__state__in=MOVING), order__member=member)
    is_open = Order.objects.filter(OPEN, member=member).exists()
    return [reason for reason, holds in (("order", is_open), ("payment_case", unclear.exists())) if holds]


def words_of(member: UUID) -> Words:
    """Numbers of their orders, payments, refunds and parcels: the hub's, each channel's own, each provider's."""
    words: Words = set()
    for number, external_id, code in _of(member).values_list("number", "external_id", "channel__code"):
        words |= {(EVERYWHERE, number), (f"channels/{code}", external_id)}
    for payment, theirs in Payment.objects.filter(order__member=member).values_list("pk", "transaction_id"):
        words |= {(EVERYWHERE, wechat_pay.out_trade_no(payment)), (EVERYWHERE, theirs)}
    refunds = Refund.objects.filter(Q(order__member=member) | Q(case__order__member=member))
    for refund in refunds.select_related("channel").defer("reason"):
        named = refund.channel and refund.channel.code
        words |= {(EVERYWHERE, word) for word in (refund.number, refund.pk.hex, refund.transaction_id)}
        words |= {(f"channels/{named}", refund.external_id)}
    for parcel, waybill in Shipment.objects.filter(order__member=member).values_list("pk", "tracking_number"):
        words |= {(EVERYWHERE, str(parcel)), (EVERYWHERE, waybill)}
    return {(whose, word) for whose, word in words if word}


def forget(member: UUID) -> dict:
    """Drop where orders went, what people wrote, who paid; returns counts of what is gone and of what stays."""
    payments = Payment.objects.filter(order__member=member)
    gone = _forget_shown(member) | {
        "recipients": Recipient.objects.filter(order__member=member).delete()[0],
        "payers": payments.filter(payer__isnull=False).update(payer=None, params=None),
        "refund_reasons": _forget_reasons(member),
        "shipping_uploads": uploading.forget(list(payments.values_list("pk", flat=True))),
        "staff_reasons": _forget_words_of_staff(member),
    }
    numbers = _of(member).values_list("number", flat=True)
    streams = forgetting.forget_subjects([events.of_order(number) for number in numbers])
    refunds = Refund.objects.filter(order__member=member)
    return {
        "gone": gone | {"receivers_answers": streams["receivers_answers"]},
        "kept": {"orders": _of(member).count(), "payments": payments.update(params=None), "refunds": refunds.count()},
    }


def _forget_shown(member: UUID) -> dict[str, int]:
    """Notes and what carriers told: orders that showed them are others now, and told so. Nobody follows a parcel on."""
    parcels = Shipment.objects.filter(order__member=member)
    told = set(parcels.filter(tracking__isnull=False).values_list("order_id", flat=True))
    noted = set(_of(member).filter(buyer_note__isnull=False).values_list("pk", flat=True))
    counts = {"buyer_notes": len(noted), "tracking": parcels.filter(tracking__isnull=False).update(tracking=None)}
    parcels.update(watch=Shipment.Watch.OVER, watch_at=None, callback=None)
    changed = Order.objects.filter(pk__in=noted | told)
    changed.update(buyer_note=None, version=F("version") + 1, updated_at=Clock())
    found = queries.whole().filter(pk__in=noted | told).order_by("id").iterator(BATCH)
    events.record_many("order.updated", ((events.of_member(member), queries.told(each)) for each in found), by=SYSTEM)
    return counts


def _forget_reasons(member: UUID) -> int:
    refunds = Refund.objects.filter(Q(order__member=member) | Q(case__order__member=member))
    return refunds.filter(reason__isnull=False).update(reason=None)


def _forget_words_of_staff(member: UUID) -> int:
    """What staff wrote goes; that they did it, and when, stays."""
    of_theirs = Q(order__member=member) | Q(case__order__member=member)
    with pgtrigger.ignore("orders.Intervention:never_changed", "orders.Disclosure:never_changed"):
        done = Intervention.objects.filter(of_theirs).exclude(reason="").update(reason="")
        shown = Disclosure.objects.filter(order__member=member).exclude(reason="").update(reason="")
    return done + shown


def _of(member: UUID) -> QuerySet[Order]:
    return Order.objects.filter(member=member)


def _copy(order: Order) -> dict:
    kept = getattr(order, "recipient", None) or Recipient(order=order)
    return queries.as_order(order) | {
        "recipient": {"receiver": kept.receiver or "", "phone": kept.phone or ""} | json.loads(kept.address or "{}"),
        "contact": json.loads(kept.contact or "{}"),
        "payments": [_as_payment(payment) for payment in order.payments.all()],
        "refunds": [_as_refund(refund) for refund in order.refunds.all()],
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


def _as_refund(refund: Refund) -> dict:
    return {
        "number": refund.number,
        "state": refund.state,
        "amount_fen": refund.amount_fen,
        "shipping_fen": refund.shipping_fen,
        "reason": refund.reason or "",
        "provider": refund.provider,
        "transaction_id": refund.transaction_id,
        "refunded_at": instant(refund.refunded_at),
    }

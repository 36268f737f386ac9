"""Reading orders: how they are shown, who sees them, how they are found."""

import json

from django.conf import settings
from django.db.models import Q, QuerySet
from django.utils import translation

from orders import rules
from orders.models import Line, Order, Recipient
from orders.rules import Status
from sync.clock import seen_until
from sync.http import instant
from sync.models import Channel

PLACE = ("province", "city", "district", "street", "postcode")
PAID = Q(payment_status="paid")
HAS_STATUS = {
    Status.PENDING_PAYMENT: Q(payment_status="unpaid"),
    Status.CANCELLED: Q(payment_status="closed"),
    Status.REFUNDED: PAID & Q(refund_status="full"),
    Status.PARTIALLY_REFUNDED: PAID & Q(refund_status="partial"),
} | {
    status: PAID & Q(refund_status="none", fulfilment_status=fulfilment)
    for fulfilment, status in rules.BY_FULFILMENT.items()
}


def whole() -> QuerySet[Order]:
    """Orders with all that `as_order` shows, in two queries however many."""
    return Order.objects.select_related("channel").prefetch_related("lines")


def seen_by(channel: Channel) -> QuerySet[Order]:
    """The orders a channel sees: its own and those of its sharing group."""
    return whole().filter(channel__group=channel.group_id)


def changes(channel: Channel, asked: dict) -> QuerySet[Order]:
    """What a list by last change shows a channel: only up to where no act that is still open can add an older one."""
    group = list(Channel.objects.filter(group=channel.group_id).values_list("pk", flat=True))  # known to the planner
    rows = matching(whole().filter(channel__in=group), asked)
    return rows if "external_id" in asked else rows.filter(updated_at__lt=seen_until(Order))


def with_status(rows: QuerySet[Order], status: str) -> QuerySet[Order]:
    """Those whose derived status is `status`."""
    return rows.filter(HAS_STATUS[status]) if status in HAS_STATUS else rows.none()


FILTERS = {
    "external_id": "external_id",
    "updated_after": "updated_at__gt",
    "channel": "channel__code",
    "placed_after": "placed_at__gt",
    "placed_before": "placed_at__lt",
}


def matching(rows: QuerySet[Order], asked: dict) -> QuerySet[Order]:
    """Those that the filters of a list ask for."""
    if "status" in asked:
        rows = with_status(rows, asked["status"])
    return rows.filter(**{FILTERS[name]: value for name, value in asked.items() if name in FILTERS})


def as_order(order: Order) -> dict:
    """The Order of the contract, labels in the language at hand."""
    status = rules.status(order.payment_status, order.fulfilment_status, order.refund_status)
    return {
        "number": order.number,
        "channel": order.channel.code,
        "external_id": order.external_id,
        "member_id": order.member_id and str(order.member_id),
        "status": str(status),
        "status_label": str(status.label),
        "payment_status": order.payment_status,
        "fulfilment_status": order.fulfilment_status,
        "refund_status": order.refund_status,
        "lines": [as_line(line) for line in order.lines.all()],
        "items_fen": order.items_fen,
        "shipping_fen": order.shipping_fen,
        "discounts": order.discounts,
        "discount_fen": order.discount_fen,
        "points_redeemed": order.points_redeemed,
        "points_discount_fen": order.points_discount_fen,
        "total_fen": order.total_fen,
        "paid_fen": order.paid_fen,
        "refunded_fen": order.refunded_fen,
        "points_earned": order.points_earned,
        "shipments": [],
        "buyer_note": order.buyer_note or "",
        "placed_at": instant(order.placed_at),
        "paid_at": instant(order.paid_at),
        "completed_at": instant(order.completed_at),
        "updated_at": instant(order.updated_at),
        "version": order.version,
    }


def as_line(line: Line) -> dict:
    """One line of an Order."""
    return {
        "id": str(line.pk),
        "external_line_id": line.external_line_id,
        "sku": line.sku,
        "name": line.name,
        "quantity": line.quantity,
        "unit_price_fen": line.unit_price_fen,
        "image_url": line.image_url,
        "refunded_quantity": line.refunded_quantity,
    }


def as_recipient(order: Order) -> dict:
    """Where an order goes, in clear; empty where nothing is known."""
    recipient = Recipient.objects.filter(order=order).first() or Recipient(order=order)
    place = json.loads(recipient.address or "{}")
    return {"receiver": recipient.receiver or "", "phone": recipient.phone or ""} | {
        name: place.get(name, "") for name in PLACE
    }


def as_event(order: Order) -> dict:
    """What events tell of an order as it stands now: read anew."""
    return told(whole().get(pk=order.pk))


def told(order: Order) -> dict:
    """What events tell of an order as it was read: in the hub's own language, without the note."""
    with translation.override(settings.LANGUAGE_CODE):
        shown = as_order(order)
    del shown["buyer_note"]
    return shown

"""Reading orders: how they are shown, who sees them, how they are found."""

import json

from django.conf import settings
from django.db.models import Prefetch, Q, QuerySet
from django.utils import translation

from orders import rules
from orders.models import Line, Order, Recipient, Shipment, ShipmentLine
from orders.rules import Status
from sync.http import instant
from sync.models import Channel

PLACE = ("province", "city", "district", "street", "postcode")
EVENTS_SHOWN = 100  # of a parcel's tracking, the newest
PAID, AT_REST = Q(payment_status="paid"), Q(payment_status="paid", open_refunds=0)
HAS_STATUS = {
    Status.PENDING_PAYMENT: Q(payment_status="unpaid"),
    Status.CANCELLED: Q(payment_status="closed"),
    Status.REFUNDING: PAID & Q(open_refunds__gt=0),
    Status.REFUNDED: AT_REST & Q(refund_status="full"),
    Status.PARTIALLY_REFUNDED: AT_REST & Q(refund_status="partial"),
} | {
    status: AT_REST & Q(refund_status="none", fulfilment_status=fulfilment)
    for fulfilment, status in rules.BY_FULFILMENT.items()
}


def whole() -> QuerySet[Order]:
    """Orders with all that `as_order` shows, in four queries however many."""
    parcels = Shipment.objects.filter(withdrawn_at=None).select_related("carried_by").order_by("id")
    inside = Prefetch("lines", ShipmentLine.objects.order_by("id"))
    return Order.objects.select_related("channel").prefetch_related(
        "lines", Prefetch("shipments", parcels.prefetch_related(inside))
    )


def seen_by(channel: Channel) -> QuerySet[Order]:
    """The orders a channel sees: its own and those of its sharing group."""
    return Order.objects.select_related("channel").filter(channel__group=channel.group_id)


def with_status(rows: QuerySet[Order], status: str) -> QuerySet[Order]:
    """Those whose derived status is `status`."""
    return rows.filter(HAS_STATUS[status]) if status in HAS_STATUS else rows.none()


def as_order(order: Order) -> dict:
    """The Order of the contract, labels in the language at hand."""
    states = (order.payment_status, order.fulfilment_status, order.refund_status)
    status = rules.status(*states, is_refunding=order.open_refunds > 0)
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
        "shipments": [as_shipment(shipment) for shipment in order.shipments.all()],
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


def as_shipment(shipment: Shipment) -> dict:
    """One parcel of an Order; what its carrier told comes newest first."""
    return {
        "id": str(shipment.pk),
        "carrier": shipment.carrier,
        "carrier_name": carrier_name(shipment),
        "tracking_number": shipment.tracking_number,
        "state": shipment.state,
        "lines": [{"line_id": str(line.line_id), "quantity": line.quantity} for line in shipment.lines.all()],
        "events": json.loads(shipment.tracking)[:EVENTS_SHOWN] if shipment.tracking else [],
    }


def carrier_name(shipment: Shipment) -> str:
    """What people call who carries it: as it was told where we do not know them. Never translated: a name."""
    return shipment.carried_by.name if shipment.carried_by else shipment.carrier


def as_recipient(order: Order) -> dict:
    """Where an order goes, in clear; empty where nothing is known."""
    recipient = Recipient.objects.filter(order=order).first() or Recipient(order=order)
    place = json.loads(recipient.address or "{}")
    return {"receiver": recipient.receiver or "", "phone": recipient.phone or ""} | {
        name: place.get(name, "") for name in PLACE
    }


def told(order: Order) -> dict:
    """What events tell of an order as it was read: in the hub's own language, without what people wrote."""
    with translation.override(settings.LANGUAGE_CODE):
        return without_words(as_order(order))


def without_words(shown: dict) -> dict:
    """An Order of the contract less what people wrote in it; it is changed."""
    del shown["buyer_note"]
    for shipment in shown["shipments"]:
        for told_by_carrier in shipment["events"]:
            del told_by_carrier["text"]
    return shown

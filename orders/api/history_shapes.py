"""What comes in about orders taken over from before: how they ended."""

from django.utils.translation import gettext_lazy as _
from rest_framework import serializers

from orders.api.refund_shapes import Executed
from orders.api.shapes import MAX_ITEMS, Past, PaymentIn, PlaceIn
from orders.models import Order
from sync.http import Choice, Fen, Input, Text, Whole

MAX_PARCELS, MAX_REFUNDS = 50, 50
ENDED = ["paid", "closed"]
TIMES = ("paid_at", "shipped_at", "delivered_at", "completed_at", "closed_at")
INLINE = ("payments", "shipments", "refunds")
STATES = ("payment_status", "fulfilment_status", "refund_status")


class PastItem(Input):
    """Pieces of a line, named by the channel's number for it or, where only one line has it, by its article."""

    external_line_id = Text(max_length=64, required=False)
    sku = Text(max_length=64, required=False)
    quantity = Whole(min_value=1, max_value=1_000_000)

    def validate(self, attrs):
        if not (attrs.get("external_line_id") or attrs.get("sku")):
            raise serializers.ValidationError({"external_line_id": _("Name the line by external_line_id or sku")})
        return attrs


class PastRefundItem(PastItem):
    """What of a line went back; no pieces: money for goods that stayed."""

    quantity = Whole(min_value=0, max_value=1_000_000)
    amount_fen = Fen()


class PastShipment(Input):
    """A parcel as it ended. Without `items` it held everything."""

    carrier = Text(max_length=40)
    tracking_number = Text(max_length=64, allow_blank=True, default="")
    items = PastItem(many=True, allow_empty=False, max_length=MAX_ITEMS, required=False)
    shipped_at = Past(required=False)
    delivered_at = Past(required=False)


class PastRefund(Input):
    """A refund that was done."""

    external_id = Text(max_length=64)
    items = PastRefundItem(many=True, default=list, max_length=MAX_ITEMS)
    shipping_fen = Fen(default=0)
    reason = Text(max_length=500, allow_blank=True, allow_null=True, default="")
    executed = Executed()


class PlaceAnyIn(PlaceIn):
    """The body of POST orders, and the data of a pushed order.placed.

    With `history: true` it is an order taken over from before, as it ended; all from `payment_status` on belongs to it.
    """

    payment_status = Choice(ENDED, required=False)
    fulfilment_status = Choice(Order.FulfilmentStatus.values, required=False)
    refund_status = Choice(Order.RefundStatus.values, required=False)
    paid_at = Past(required=False, allow_null=True)
    shipped_at = Past(required=False, allow_null=True)
    delivered_at = Past(required=False, allow_null=True)
    completed_at = Past(required=False, allow_null=True)
    closed_at = Past(required=False, allow_null=True)
    payments = PaymentIn(many=True, required=False, max_length=1)
    shipments = PastShipment(many=True, required=False, max_length=MAX_PARCELS)
    refunds = PastRefund(many=True, required=False, max_length=MAX_REFUNDS)

    def validate(self, attrs):
        attrs = super().validate(attrs)
        told = [name for name in (*STATES, *TIMES, *INLINE) if attrs.get(name)]
        if told and not attrs["history"]:
            raise serializers.ValidationError(dict.fromkeys(told, _("Only an order with history: true has this")))
        if attrs["history"] and attrs["points_to_redeem"]:
            why = _("Send 0: what points paid of an order from before is one of its discounts")
            raise serializers.ValidationError({"points_to_redeem": why})
        return attrs


def past_of(asked: dict) -> dict:
    """How an order ended, as a validated body tells it."""
    told = {name: asked[name] for name in (*STATES, *TIMES) if asked.get(name)}
    return told | {name: asked.get(name) or [] for name in INLINE}

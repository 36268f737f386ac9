"""What goes out about orders, as the contract documents it."""

from rest_framework import serializers

from orders.payments.wechat_pay import METHODS
from orders.rules import Status
from sync.http.described import PageOut, ProblemOut

whole, text, flat = serializers.IntegerField, serializers.CharField, serializers.DictField


class LineOut(serializers.Serializer):
    """One line of an order."""

    id = serializers.UUIDField()
    external_line_id = text()
    sku = text()
    name = text()
    quantity = whole()
    unit_price_fen = whole()
    image_url = text()
    refunded_quantity = whole()


class DiscountOut(serializers.Serializer):
    """What was taken off."""

    kind = text()
    code = text()
    name = text()
    amount_fen = whole()


class TrackingOut(serializers.Serializer):
    """What the carrier told."""

    at = serializers.DateTimeField()
    state = text()
    place = text()
    text = text()


class ShippedLineOut(serializers.Serializer):
    """How much of a line is in a parcel."""

    line_id = serializers.UUIDField()
    quantity = whole()


class ShipmentOut(serializers.Serializer):
    """One parcel."""

    id = serializers.UUIDField()
    carrier = text()
    carrier_name = text()
    tracking_number = text()
    state = text()
    lines = ShippedLineOut(many=True)
    events = TrackingOut(many=True)


class OrderOut(serializers.Serializer):
    """The Order: one representation per version, whoever reads it."""

    number = text()
    channel = text()
    external_id = text()
    member_id = serializers.UUIDField(allow_null=True)
    status = serializers.ChoiceField(Status.values)
    status_label = text()
    payment_status = serializers.ChoiceField(["unpaid", "closed", "paid"])
    fulfilment_status = serializers.ChoiceField(["none", "partial", "shipped", "delivered", "completed"])
    refund_status = serializers.ChoiceField(["none", "partial", "full"])
    lines = LineOut(many=True)
    items_fen = whole()
    shipping_fen = whole()
    discounts = DiscountOut(many=True)
    discount_fen = whole()
    points_redeemed = whole()
    points_discount_fen = whole()
    total_fen = whole()
    paid_fen = whole()
    refunded_fen = whole()
    points_earned = whole()
    shipments = ShipmentOut(many=True)
    buyer_note = text()
    placed_at = serializers.DateTimeField()
    paid_at = serializers.DateTimeField(allow_null=True)
    completed_at = serializers.DateTimeField(allow_null=True)
    updated_at = serializers.DateTimeField()
    version = whole()


class OrdersOut(PageOut):
    """A page of orders."""

    results = OrderOut(many=True)


class RecipientOut(serializers.Serializer):
    """Where an order goes, in clear."""

    receiver = text()
    phone = text()
    province = text()
    city = text()
    district = text()
    street = text()
    postcode = text()


class PaymentOut(serializers.Serializer):
    """A payment that the member can now make: `params` are for WeChat."""

    payment_id = serializers.UUIDField()
    method = serializers.ChoiceField(METHODS)
    params = flat(child=text())
    expires_at = serializers.DateTimeField()


class TakenOut(serializers.Serializer):
    """What became of money the channel took: it settled the order, or is a case for a person."""

    id = serializers.UUIDField()
    provider = text()
    transaction_id = text()
    amount_fen = whole()
    paid_at = serializers.DateTimeField()
    state = serializers.ChoiceField(["paid", "case"])
    case = serializers.ChoiceField(["after_close", "wrong_amount", "unknown_order", "paid_twice"], allow_null=True)
    order = OrderOut()


class AmountMismatchOut(ProblemOut):
    """The sums do not agree; what the total would be."""

    code = serializers.ChoiceField(["amount_mismatch"])
    expected_total_fen = whole()


class OrderConflictOut(ProblemOut):
    """The order changed since it was read; `current` is what it is now."""

    code = serializers.ChoiceField(["version_conflict"])
    current = OrderOut()

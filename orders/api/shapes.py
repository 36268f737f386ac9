"""What comes in about orders."""

import re
from datetime import timedelta

from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema_serializer
from rest_framework import serializers

from loyalty.api.shapes import MOST, ProofIn
from orders.payments.wechat_pay import METHODS
from orders.rules import Status
from sync.http import Choice, Fen, Input, Instant, Phone, Text, Whole

AHEAD = timedelta(minutes=5)  # how far a clock elsewhere may run before ours
PICTURE = re.compile(r"(https?:/)?/\S+")
CODE = re.compile(r"[a-z0-9][a-z0-9_-]*")
MAX_ITEMS, MAX_DISCOUNTS = 200, 50


class Flag(serializers.BooleanField):
    """true or false, nothing that merely looks like them."""

    def to_internal_value(self, data):
        if not isinstance(data, bool):
            self.fail("invalid", input=str(data)[:40])
        return data


class Id(serializers.UUIDField):
    """A UUID as text."""

    def to_internal_value(self, data):
        if not isinstance(data, str):
            self.fail("invalid", value=str(data)[:40])
        return super().to_internal_value(data)


class Past(Instant):
    """A time that has come, give or take five minutes."""

    default_error_messages = {"future": _("This time lies in the future")}

    def to_internal_value(self, data):
        time = super().to_internal_value(data)
        if time > timezone.now() + AHEAD:
            self.fail("future")
        return time


@extend_schema_serializer(component_name="BuyerIn")
class Identity(Input):
    """Who buys, as the channel knows them."""

    kind = Choice(["phone", "wechat_openid", "wechat_unionid", "external"])
    value = Text(max_length=128)
    app_id = Text(max_length=64, required=False)

    def validate(self, attrs):
        if attrs["kind"] == "phone":
            attrs["value"] = Phone().run_validation(attrs["value"])
        return attrs


class Contact(Input):
    """How to reach a guest."""

    phone = Phone()
    name = Text(max_length=40, allow_blank=True, default="")


class Address(Input):
    """Where the goods go."""

    receiver = Text(max_length=40)
    phone = Phone()
    province = Text(max_length=40, allow_blank=True, default="")
    city = Text(max_length=40, allow_blank=True, default="")
    district = Text(max_length=40, allow_blank=True, default="")
    street = Text(max_length=200)
    postcode = Text(max_length=12, allow_blank=True, default="")


class Item(Input):
    """One line of what is bought."""

    external_line_id = Text(max_length=64, allow_blank=True, default="")
    sku = Text(max_length=64)
    name = Text(max_length=200)
    quantity = Whole(min_value=1, max_value=1_000_000)
    unit_price_fen = Fen()
    image_url = Text(max_length=300, allow_blank=True, default="")

    def validate_image_url(self, value):
        if value and not PICTURE.fullmatch(value):
            raise serializers.ValidationError(_("Send an address that begins with https://"))
        return value


class Discount(Input):
    """What is taken off, as a positive amount."""

    kind = Text(max_length=40)
    code = Text(max_length=64, allow_blank=True, default="")
    name = Text(max_length=80)
    amount_fen = Fen(min_value=1)


class PlaceIn(Input):
    """The body of POST orders, and the data of a pushed order.placed."""

    external_id = Text(max_length=64)
    member_id = Id(required=False, allow_null=True)
    identity = Identity(required=False, allow_null=True)
    contact = Contact(required=False, allow_null=True)
    items = Item(many=True, allow_empty=False, max_length=MAX_ITEMS)
    shipping_fen = Fen(default=0)
    discounts = Discount(many=True, default=list, max_length=MAX_DISCOUNTS)
    points_to_redeem = Whole(min_value=0, max_value=MOST, default=0)
    proof = ProofIn(required=False, allow_null=True)
    address = Address(required=False, allow_null=True)
    buyer_note = Text(max_length=500, allow_blank=True, allow_null=True, default="")
    placed_at = Past(required=False, allow_null=True)
    history = Flag(default=False)
    total_fen = Fen(required=False, allow_null=True)

    def validate(self, attrs):
        if attrs.get("member_id") and attrs.get("identity"):
            raise serializers.ValidationError({"identity": _("Send member_id or identity, not both")})
        return attrs


class EditedItem(Input):
    """A line as it is to be: whole, or of the line it names what changes."""

    line_id = Id(required=False)
    external_line_id = Text(max_length=64, allow_blank=True, required=False)
    sku = Text(max_length=64, required=False)
    name = Text(max_length=200, required=False)
    quantity = Whole(min_value=1, max_value=1_000_000, required=False)
    unit_price_fen = Fen(required=False)
    image_url = Text(max_length=300, allow_blank=True, required=False)
    validate_image_url = Item.validate_image_url


class EditIn(Input):
    """What changes of an order, and the data of a pushed order.updated.

    `items` that are all whole (sku, name, quantity, unit_price_fen) stand in place of the lines; else each changes the
    line that it names by `line_id` or `external_line_id`.
    """

    items = EditedItem(many=True, allow_empty=False, max_length=MAX_ITEMS, required=False)
    shipping_fen = Fen(required=False)
    discounts = Discount(many=True, max_length=MAX_DISCOUNTS, required=False)
    address = Address(required=False)
    buyer_note = Text(max_length=500, allow_blank=True, allow_null=True, required=False)
    total_fen = Fen(required=False, allow_null=True)


class PaymentIn(Input):
    """Money that a channel took."""

    provider = Text(max_length=20)  # offline, or a code of the channel's own
    transaction_id = Text(max_length=64)
    amount_fen = Fen(min_value=1)
    paid_at = Past()

    def validate_provider(self, value):
        if not CODE.fullmatch(value):
            raise serializers.ValidationError(_("Small letters, digits, dashes and underscores"))
        return value


class PayIn(Input):
    """How a member wants to pay."""

    method = Choice(METHODS)


class ListIn(Input):
    """Filters of a channel's list."""

    external_id = Text(max_length=64, required=False)
    updated_after = Instant(required=False)


class MyListIn(Input):
    """Filters of a member's own list."""

    status = Choice(Status.values, required=False)
    channel = Text(max_length=40, required=False)
    placed_after = Instant(required=False)
    placed_before = Instant(required=False)

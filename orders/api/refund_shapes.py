"""What comes in and goes out about refunds."""

from django.utils.translation import gettext_lazy as _
from rest_framework import serializers

from orders.api.shapes import CODE, MAX_ITEMS, Id, Past
from sync.http import Fen, Input, Text, Whole

MOST_PIECES = 1_000_000
text, whole = serializers.CharField, serializers.IntegerField


class RefundItem(Input):
    """What of one line goes back; no pieces: money for goods that stay. The line by its id here, or the channel's."""

    line_id = Id(required=False)
    external_line_id = Text(max_length=64, required=False)
    quantity = Whole(min_value=0, max_value=MOST_PIECES)
    amount_fen = Fen()

    def validate(self, attrs):
        if bool(attrs.get("line_id")) == bool(attrs.get("external_line_id")):
            raise serializers.ValidationError({"line_id": _("Name the line by line_id or external_line_id")})
        if not attrs["quantity"] and not attrs["amount_fen"]:
            raise serializers.ValidationError({"quantity": _("Neither pieces nor money go back")})
        return attrs


class Executed(Input):
    """A refund that the channel did itself."""

    provider = Text(max_length=20)
    transaction_id = Text(max_length=64)
    refunded_at = Past()

    def validate_provider(self, value):
        if not CODE.fullmatch(value):
            raise serializers.ValidationError(_("Small letters, digits, dashes and underscores"))
        return value


class RefundIn(Input):
    """The body of POST refunds, and the data of a pushed order.refunded."""

    external_id = Text(max_length=64)
    items = RefundItem(many=True, max_length=MAX_ITEMS, default=list)
    shipping_fen = Fen(default=0)
    reason = Text(max_length=500, allow_blank=True, allow_null=True, default="")
    executed = Executed(required=False, allow_null=True)

    def validate(self, attrs):
        if not attrs["items"] and not attrs["shipping_fen"]:
            raise serializers.ValidationError({"items": _("Name what goes back")})
        return attrs


class MyItem(Input):
    """Pieces of one line that the buyer wants to give back."""

    line_id = Id()
    quantity = Whole(min_value=1, max_value=MOST_PIECES)


class MyRefundIn(Input):
    """What a member asks for; what it is worth is not theirs to say."""

    items = MyItem(many=True, allow_empty=False, max_length=MAX_ITEMS)
    reason = Text(max_length=500, allow_blank=True, allow_null=True, default="")


class RefundItemOut(serializers.Serializer):
    """What of one line goes back."""

    line_id = serializers.UUIDField()
    quantity = whole()
    amount_fen = whole()


class RefundOut(serializers.Serializer):
    """A refund: asked for, with the provider, done, or failed."""

    id = serializers.UUIDField()
    external_id = text()
    number = text()
    state = serializers.ChoiceField(["requested", "processing", "done", "failed"])
    items = RefundItemOut(many=True)
    shipping_fen = whole()
    amount_fen = whole()
    reason = text()
    provider = text()
    refunded_at = serializers.DateTimeField(allow_null=True)

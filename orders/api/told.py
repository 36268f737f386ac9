"""What events tell of orders, as the contract documents it."""

from rest_framework import serializers

from orders.api.shown import OrderOut, ShipmentOut, TrackingOut


class TrackingChangeOut(TrackingOut):
    """What the carrier told, without its words: they may name a person."""

    text = None


class ShipmentChangeOut(ShipmentOut):
    """One parcel."""

    events = TrackingChangeOut(many=True)


class OrderChangeOut(OrderOut):
    """The Order as it stands, without what its buyer wrote."""

    buyer_note = None
    history = serializers.BooleanField(required=False, help_text="An order taken over from before")
    shipments = ShipmentChangeOut(many=True)

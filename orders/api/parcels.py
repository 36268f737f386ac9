"""Parcels of an order, as its channel sends, corrects and takes them back."""

from uuid import UUID

from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.response import Response

from orders import queries, reading, services
from orders.api.moving import own
from orders.api.refusing import refusals
from orders.api.shapes import MAX_ITEMS, Id
from orders.api.shown import OrderOut, ShipmentOut
from orders.models import Order, Shipment
from sync.http import Input, Problem, Text, Whole
from sync.views import ChannelView


class PackedIn(Input):
    """So much of one line, which is named by its id or by the channel's own."""

    line_id = Id(required=False)
    external_line_id = Text(max_length=64, required=False)
    quantity = Whole(min_value=1, max_value=1_000_000)

    def validate(self, attrs):
        if ("line_id" in attrs) == ("external_line_id" in attrs):
            raise serializers.ValidationError({"line_id": _("Send line_id or external_line_id")})
        return attrs


class ShipIn(Input):
    """A parcel: what is in it, and who carries it under which waybill. Without items it holds all that is left."""

    carrier = Text(max_length=40)
    tracking_number = Text(allow_blank=True, default="")
    items = PackedIn(many=True, required=False, allow_null=True, allow_empty=False, max_length=MAX_ITEMS)


class CorrectIn(Input):
    """What is otherwise than was said; the rest stays."""

    carrier = Text(max_length=40, required=False)
    tracking_number = Text(allow_blank=True, required=False)
    items = PackedIn(many=True, required=False, allow_empty=False, max_length=MAX_ITEMS)


class Shipments(ChannelView):
    """POST a parcel of an order of the channel's own. Safe to repeat: the same parcel again is that parcel."""

    scope = "orders:write"

    @extend_schema(request=ShipIn, responses={201: ShipmentOut, 200: ShipmentOut})
    def post(self, request, number):
        asked, order = ShipIn.read(request), own(request.auth.channel, number)
        with refusals():
            parcel, is_new = services.ship(order=order.pk, by=request.user, **asked)
        return Response(as_parcel(parcel), status=201 if is_new else 200)


class OneShipment(ChannelView):
    """PATCH a parcel that was told wrongly, DELETE one that was told by mistake: neither once it has arrived."""

    scope = "orders:write"

    @extend_schema(request=CorrectIn, responses=OrderOut)
    def patch(self, request, number, shipment_id):
        asked, order = CorrectIn.read(request), own(request.auth.channel, number)
        parcel = parcel_of(order, shipment_id)
        with refusals():
            services.correct_shipment(shipment=parcel, by=request.user, **asked)
        return Response(reading.one(id=order.pk))

    @extend_schema(request=None, responses={200: OrderOut})
    def delete(self, request, number, shipment_id):
        order = own(request.auth.channel, number)
        parcel = parcel_of(order, shipment_id)
        with refusals():
            services.withdraw_shipment(shipment=parcel, by=request.user)
        return Response(reading.one(id=order.pk))


def parcel_of(order: Order, shipment_id: UUID) -> UUID:
    """A parcel of this order that was not taken back; raises Problem `not_found`."""
    if not order.shipments.filter(pk=shipment_id, withdrawn_at=None).exists():
        raise Problem("not_found")
    return shipment_id


def as_parcel(parcel: Shipment) -> dict:
    """A parcel as the Order shows it."""
    return queries.as_shipment(
        Shipment.objects.select_related("carried_by").prefetch_related("lines").get(pk=parcel.pk)
    )

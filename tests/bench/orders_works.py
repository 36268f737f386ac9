"""Orders as a team would first write them: model serializers over prefetched rows, and services of plain ORM.

They show the same content, write the same rows, check the same things and record the same facts as ours.
"""

import json
from datetime import timedelta

from django.db import connection, models, transaction
from django.utils import timezone
from rest_framework import generics, serializers
from rest_framework.pagination import CursorPagination
from rest_framework.response import Response

from loyalty.ledger import NotEnough
from loyalty.models import Account, Draw, Entry, Hold, Programme
from loyalty.told import as_entry
from members.models import Member, Session
from orders import rules
from orders.api.shapes import PlaceIn
from orders.models import Line, Order, OrderTerms, Shipment, ShipmentLine
from orders.services.placing import digest_of, recipient_of
from orders.services.redeeming import MARGIN
from sync.http import Instant
from sync.ids import uuid7
from sync.models import Stream
from sync.views import ChannelView, MemberView

EVENT = """
INSERT INTO sync_event (id, subject, sequence, type, source, actor, correlation_id, data, time)
VALUES (%s, %s, %s, %s, %s, %s, '', %s, clock_timestamp())
"""


class Shown(serializers.ModelSerializer):
    """Times as the contract writes them."""

    serializer_field_mapping = serializers.ModelSerializer.serializer_field_mapping | {models.DateTimeField: Instant}


class LineShown(Shown):
    class Meta:
        model = Line
        fields = ["id", "external_line_id", "sku", "name", "quantity", "unit_price_fen", "image_url"]
        fields += ["refunded_quantity"]


class InsideShown(Shown):
    class Meta:
        model = ShipmentLine
        fields = ["line_id", "quantity"]


class ParcelShown(Shown):
    carrier_name = serializers.SerializerMethodField()
    lines = InsideShown(many=True)
    events = serializers.SerializerMethodField()

    class Meta:
        model = Shipment
        fields = ["id", "carrier", "carrier_name", "tracking_number", "state", "lines", "events"]

    def get_carrier_name(self, parcel):
        return parcel.carried_by.name if parcel.carried_by else parcel.carrier

    def get_events(self, parcel):
        return parcel.tracking or []


class OrderShown(Shown):
    channel = serializers.SlugRelatedField("code", read_only=True)
    status = serializers.SerializerMethodField()
    status_label = serializers.SerializerMethodField()
    lines = LineShown(many=True)
    shipments = ParcelShown(many=True)
    buyer_note = serializers.SerializerMethodField()

    class Meta:
        model = Order
        fields = [
            *("number", "channel", "external_id", "member_id", "status", "status_label", "payment_status"),
            *("fulfilment_status", "refund_status", "lines", "items_fen", "shipping_fen", "discounts", "discount_fen"),
            *("points_redeemed", "points_discount_fen", "total_fen", "paid_fen", "refunded_fen", "points_earned"),
            *("shipments", "buyer_note", "placed_at", "paid_at", "completed_at", "updated_at", "version"),
        ]

    def get_status(self, order):
        states = (order.payment_status, order.fulfilment_status, order.refund_status)
        return str(rules.status(*states, is_refunding=order.open_refunds > 0))

    def get_status_label(self, order):
        return str(rules.Status(self.get_status(order)).label)

    def get_buyer_note(self, order):
        return order.buyer_note or ""


class Newest(CursorPagination):
    page_size, ordering = 20, ("-placed_at", "-id")


class MyOrders(generics.ListAPIView, MemberView):
    """me/orders as it would first be written."""

    serializer_class, pagination_class = OrderShown, Newest

    def get_queryset(self):
        parcels = models.Prefetch("shipments", Shipment.objects.filter(withdrawn_at=None).select_related("carried_by"))
        inside = models.Prefetch("shipments__lines", ShipmentLine.objects.order_by("id"))
        known = Order.objects.select_related("channel").prefetch_related("lines", parcels, inside)
        return known.filter(member=self.request.auth.member)


class Orders(ChannelView):
    """POST orders as it would first be written."""

    scope = "orders:write"

    def post(self, request):
        return Response(place(request.auth.channel, PlaceIn.read(request), by=request.user), status=201)


@transaction.atomic
def place(channel, asked: dict, *, by) -> dict:
    """Enter an order whose points are held; returns what is shown of it. Raises NotEnough, AmountMismatch."""
    member = Member.objects.select_for_update(no_key=True).get(pk=asked["member_id"])
    seen = Session.objects.filter(member=member, channel=channel, revoked_at=None, expires_at__gt=timezone.now())
    if member.status != Member.Status.ACTIVE or not Stream.objects.filter(subject=f"member/{member.pk}").exists():
        raise Member.DoesNotExist
    if not seen.filter(last_seen_at__gte=timezone.now() - timedelta(minutes=30)).exists():
        raise Session.DoesNotExist
    if Order.objects.filter(channel=channel, external_id=asked["external_id"]).exists():
        raise ValueError(asked["external_id"])
    terms = OrderTerms.objects.filter(channel=channel).first() or OrderTerms(channel=channel)
    order = _enter(channel, member, asked, terms)
    Line.objects.bulk_create(Line(order=order, position=n, **item) for n, item in enumerate(asked["items"], start=1))
    recipient_of(order, asked["address"], {}).save(force_insert=True)
    told_of_points, shown = _hold(order, terms), OrderShown(order).data
    _tell(order, "order.placed", shown, by)
    _tell(order, "points.held", told_of_points, by)
    return shown


def _enter(channel, member, asked: dict, terms: OrderTerms) -> Order:
    programme, points = Programme.objects.first() or Programme(), asked["points_to_redeem"]
    amounts = rules.sums(
        asked["items"], asked["shipping_fen"], asked["discounts"], points=points, fen_per_point=programme.fen_per_point
    )
    if points > rules.most_points(amounts.owed_fen, programme.redeem_percent, programme.fen_per_point):
        raise ValueError(points)
    return Order.objects.create(
        channel=channel,
        external_id=asked["external_id"],
        member=member,
        request_digest=digest_of(channel, asked),
        discounts=asked["discounts"],
        points_redeemed=points,
        placed_at=timezone.now(),
        updated_at=timezone.now(),
        closes_at=timezone.now() + timedelta(minutes=terms.close_after_minutes),
        items_fen=amounts.items_fen,
        shipping_fen=amounts.shipping_fen,
        discount_fen=amounts.discount_fen,
        points_discount_fen=amounts.points_discount_fen,
        total_fen=amounts.total_fen,
        buyer_note=asked["buyer_note"] or None,
    )


def _hold(order: Order, terms: OrderTerms) -> dict:
    points, reference = order.points_redeemed, f"order:{order.number}:points"
    account = Account.objects.select_for_update(no_key=True).get(member=order.member)
    if account.entries.filter(source="hub", reference=reference).exists():
        raise ValueError(reference)
    if account.available < points:
        raise NotEnough(account.available)
    account.available, account.held = account.available - points, account.held + points
    account.version += 1
    lasts = timezone.now() + timedelta(minutes=terms.close_after_minutes) + MARGIN
    account.due_at = min(account.due_at or lasts, lasts)
    account.save(update_fields=["available", "held", "version", "due_at"])
    moves = {"available": -points, "held": points, "contra": 0, "available_after": account.available}
    known = {"account": account, "source": "hub", "reference": reference, "channel": order.channel}
    entry = Entry.objects.create(kind="held", version=account.version, **moves, **known)
    _draw(account, entry, points)
    order.hold = Hold.objects.create(entry=entry, points=points, expires_at=lasts, **known)
    order.save(update_fields=["hold"])
    names = ("available", "pending", "held", "debt", "version")
    entry.refresh_from_db(fields=["created_at"])
    return {"entry": as_entry(entry), "balance": {name: getattr(account, name) for name in names}}


def _draw(account: Account, entry: Entry, left: int) -> None:
    lots = account.lots.select_for_update(no_key=True).filter(remaining__gt=0, is_pending=False)
    for lot in lots.order_by("expires_at", "entry_id").iterator(10):
        part = min(lot.remaining, left)
        lot.remaining, lot.held, left = lot.remaining - part, lot.held + part, left - part
        lot.save(update_fields=["remaining", "held"])
        Draw.objects.create(entry=entry, lot=lot, remaining=-part, held=part)
        if not left:
            return


def _tell(order: Order, type: str, data: dict, by) -> None:
    subject = f"member/{order.member_id}"
    stream = Stream.objects.select_for_update(no_key=True).get(subject=subject)
    stream.head += 1
    stream.save(update_fields=["head"])
    told = json.dumps({name: value for name, value in data.items() if name != "buyer_note"}, default=str)
    with connection.cursor() as cursor:  # only PostgreSQL numbers what is written
        cursor.execute(EVENT, [uuid7(), subject, stream.head, type, by.source, str(by), told])

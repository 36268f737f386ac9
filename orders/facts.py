"""Facts from outside, applied by the inbox: the same acts that the contract calls, in whatever order they are told.

A channel tells of its own orders. A fact moves only what it is about: goods may be told before money, and all of it
before the order itself; what has to wait is parked, what comes too late is kept as superseded.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from functools import partial

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from rest_framework.exceptions import ValidationError

from members import codes
from orders import services
from orders.api.history_shapes import PlaceAnyIn
from orders.api.parcels import ShipIn
from orders.api.placing import place_as_asked, refuse_verified
from orders.api.placing import refusals as edit_refusals
from orders.api.refund_shapes import RefundIn
from orders.api.refunds import refund_as_asked
from orders.api.refusing import refusals
from orders.api.shapes import AHEAD, EditIn, PaymentIn
from orders.models import Order, Payment, PaymentCase, Refund
from orders.payments import closing, transactions
from orders.services.editing import AMOUNTS
from orders.services.news import known_as, paid_as
from sync import inbox
from sync.act import Actor
from sync.http import Input, Problem, Text
from sync.http.problems import flattened
from sync.models import Channel


class OfOrderIn(Input):
    """Which order a fact is about: by the channel's number, or by the hub's."""

    external_id = Text(max_length=64, required=False)
    number = Text(max_length=20, required=False)

    def validate(self, attrs):
        if not (attrs.get("external_id") or attrs.get("number")):
            raise ValidationError({"external_id": _("Name the order by external_id or number")})
        return attrs


class UpdatedIn(OfOrderIn, EditIn):
    """The body of PATCH orders, and the order."""


class PaidIn(OfOrderIn, PaymentIn):
    """The body of POST payments, and the order."""


class ShippedIn(OfOrderIn, ShipIn):
    """The body of POST shipments, and the order."""


class RefundedIn(RefundIn):
    """The body of POST refunds, and the order.

    `external_id` is the refund's where the order is named by `number` or `order_external_id`. Where it is all that is
    said it is the order's, and the refund is known by `refund_external_id` or by the number it was executed under.
    """

    external_id = Text(max_length=64, required=False)
    number = Text(max_length=20, required=False)
    order_external_id = Text(max_length=64, required=False)
    refund_external_id = Text(max_length=64, required=False)

    def validate(self, attrs):
        attrs = super().validate(attrs)
        is_told_apart = attrs.get("number") or attrs.get("order_external_id")
        refund, order = attrs.get("refund_external_id"), attrs.get("order_external_id")
        if is_told_apart:
            refund = refund or attrs.get("external_id")
        else:
            order = attrs.get("external_id")
        refund = refund or (attrs.get("executed") or {}).get("transaction_id")
        if not (refund and (order or attrs.get("number"))):
            raise ValidationError({"external_id": _("Name the order and the refund")})
        return attrs | {"external_id": refund, "of": {"external_id": order, "number": attrs.get("number")}}


def placed(channel: Channel, data: dict, occurred_at: datetime, by: Actor) -> Order:
    """`order.placed`: the body of POST orders. Told twice, or posted as well, it is one order. Raises Problem."""
    asked = said(PlaceAnyIn, data, occurred_at)
    proof = asked.get("proof")
    holder = codes.holder(channel, proof["value"]) if proof else None
    order, _is_new = place_as_asked(channel, asked, by=by, occurred_at=occurred_at, holder=holder)
    return order


def updated(channel: Channel, data: dict, occurred_at: datetime, by: Actor) -> None:
    """`order.updated`: the body of PATCH orders. Field by field the newest word stands. Raises Problem, Waits."""
    asked = said(UpdatedIn, data, occurred_at)
    order = own(channel, asked)
    changes = {name: asked[name] for name in EditIn().fields if name in asked}
    if not all(name in changes for name in AMOUNTS):
        changes.pop("total_fen", None)  # it counts on facts that may not have come yet
    with edit_refusals(), its_provider_first():
        services.edit(order=order.pk, changes=changes, occurred_at=occurred_at, by=by)


def paid(channel: Channel, data: dict, occurred_at: datetime, by: Actor) -> Payment | PaymentCase:
    """`order.paid`: the body of POST payments. What does not fit becomes a case, as there. Raises Problem, Waits."""
    asked = said(PaidIn, data, occurred_at)
    refuse_verified(asked["provider"])
    money = {name: asked[name] for name in ("provider", "transaction_id", "amount_fen", "paid_at")}
    try:
        kept, _is_new = services.take_payment(number=own(channel, asked).number, channel=channel, by=by, **money)
    except services.TransactionKnown as error:
        raise Problem("reference_conflict", error) from error
    return kept


def cancelled(channel: Channel, data: dict, occurred_at: datetime, by: Actor) -> None:
    """`order.cancelled`. What is open at a provider is asked about and closed there first. Raises Problem, Waits."""
    order = own(channel, said(OfOrderIn, data, occurred_at))
    with or_late(order, "order.cancelled", "paid", occurred_at, by), its_provider_first():
        services.close(order=order.pk, by=by)


def shipped(channel: Channel, data: dict, occurred_at: datetime, by: Actor) -> None:
    """`order.shipped`: the body of POST shipments, but in any order. Raises Problem, Waits."""
    asked = said(ShippedIn, data, occurred_at)
    order, parcel = own(channel, asked), {name: asked.get(name) for name in ("carrier", "tracking_number", "items")}
    with or_late(order, "order.shipped", "shipped", occurred_at, by):
        services.ship(order=order.pk, shipped_at=occurred_at, by=by, is_fact=True, **parcel)


def delivered(channel: Channel, data: dict, occurred_at: datetime, by: Actor) -> None:
    """`order.delivered`: all goods arrived, as POST delivered, but in any order. Raises Problem, Waits."""
    order = own(channel, said(OfOrderIn, data, occurred_at))
    with or_late(order, "order.delivered", "completed", occurred_at, by):
        services.deliver(order=order.pk, at=occurred_at, by=by, is_fact=True)


def completed(channel: Channel, data: dict, occurred_at: datetime, by: Actor) -> None:
    """`order.completed`, as POST completed, but in any order. Raises Problem, Waits."""
    order = own(channel, said(OfOrderIn, data, occurred_at))
    services.complete(order=order.pk, at=occurred_at, by=by, is_fact=True)


def refunded(channel: Channel, data: dict, occurred_at: datetime, by: Actor) -> Refund:
    """`order.refunded`: the body of POST refunds. Told before there is money to give back it waits for that.

    Raises Problem, Waits.
    """
    asked = said(RefundedIn, data, occurred_at)
    order = own(channel, asked["of"])
    try:
        refund, _is_new = refund_as_asked(channel, order.pk, asked, by=by)
    except Problem as problem:
        if problem.code == "order_state" and order.payment_status != Order.PaymentStatus.PAID:
            raise inbox.Waits(paid_as(channel.code, order.external_id), "order_state") from problem
        raise
    return refund


def wechat_paid(channel: Channel | None, data: dict, occurred_at: datetime, by: Actor) -> Payment | PaymentCase:
    """`wechat_pay.TRANSACTION.SUCCESS`: the transaction that WeChat Pay told, verified and opened. Raises Problem."""
    try:
        return transactions.apply(data)
    except transactions.Malformed as error:
        raise Problem("invalid", errors=[(name, "invalid", "") for name in error.fields]) from error


def said(shape: type[Input], data: dict, occurred_at: datetime) -> dict:
    """What a fact says, of a time that has come. Raises Problem `invalid`."""
    if occurred_at > timezone.now() + AHEAD:
        raise Problem.field("time", _("This time lies in the future"), "future")
    try:
        return shape.of(data)
    except ValidationError as error:
        raise Problem("invalid", errors=list(flattened(error.detail))) from error


def own(channel: Channel, asked: dict) -> Order:
    """The channel's order that is meant. Raises Waits for one it has not placed yet, Problem for an unknown number."""
    names = {name: asked[name] for name in ("external_id", "number") if asked.get(name)}
    order = Order.objects.filter(channel=channel, **names).first()
    if order is None and "number" not in names:
        raise inbox.Waits(known_as(channel.code, names["external_id"]))
    if order is None:
        raise Problem("not_found")
    return order


@contextmanager
def or_late(order: Order, type: str, reason: str, occurred_at: datetime, by: Actor) -> Iterator[None]:
    """What comes too late to change anything is undone and kept as superseded, for this reason."""
    try:
        with transaction.atomic():  # a savepoint in the inbox's act
            yield
    except services.WrongState:
        services.supersede(order=order, type=type, reason=reason, occurred_at=occurred_at, by=by)


@contextmanager
def its_provider_first() -> Iterator[None]:
    """An open payment that stands in the way is closed at its provider, outside of the act; then all is tried anew."""
    try:
        yield
    except services.Occupied as occupied:
        raise inbox.Outside(partial(make_way, occupied.payment)) from occupied


def make_way(payment: Payment) -> None:
    """Close an open payment on both sides, or take its money. Raises Problem where that is not possible now."""
    with refusals(), suppress(services.WrongState):
        closing.make_way(payment)

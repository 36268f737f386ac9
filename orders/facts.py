"""Facts from outside, applied by the inbox: the same acts that the contract calls."""

from datetime import datetime

from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from rest_framework.exceptions import ValidationError

from members import codes
from orders.api.placing import place_as_asked
from orders.api.shapes import AHEAD, PlaceIn
from orders.models import Order, Payment, PaymentCase
from orders.payments import transactions
from sync.act import Actor
from sync.http import Problem
from sync.http.problems import flattened
from sync.models import Channel


def placed(channel: Channel, data: dict, occurred_at: datetime, by: Actor) -> Order:
    """`order.placed`: the body of POST orders. Told twice, or posted as well, it is one order. Raises Problem."""
    if occurred_at > timezone.now() + AHEAD:
        raise Problem.field("time", _("This time lies in the future"), "future")
    try:
        asked = PlaceIn.of(data)
    except ValidationError as error:
        raise Problem("invalid", errors=list(flattened(error.detail))) from error
    proof = asked.get("proof")
    holder = codes.holder(channel, proof["value"]) if proof else None
    order, _is_new = place_as_asked(channel, asked, by=by, occurred_at=occurred_at, holder=holder)
    return order


def wechat_paid(channel: Channel | None, data: dict, occurred_at: datetime, by: Actor) -> Payment | PaymentCase:
    """`wechat_pay.TRANSACTION.SUCCESS`: the transaction that WeChat Pay told, verified and opened. Raises Problem."""
    try:
        return transactions.apply(data)
    except transactions.Malformed as error:
        raise Problem("invalid", errors=[(name, "invalid", "") for name in error.fields]) from error

"""Orders that are cancelled, arrive and end: by their channel, or by the member who bought."""

from drf_spectacular.utils import extend_schema
from rest_framework.response import Response

from orders import reading, services
from orders.api.channel import seen
from orders.api.mine import owned
from orders.api.refusing import refusals
from orders.api.shown import OrderOut
from orders.models import Order
from orders.payments import closing
from sync.http import Problem
from sync.models import Channel
from sync.views import ChannelView, MemberView


class Cancelled(ChannelView):
    """POST to close an unpaid order of the channel's own. What is open at WeChat Pay is asked about and closed first.

    Safe to repeat.
    """

    scope = "orders:write"
    calls_outside = True

    @extend_schema(request=None, responses=OrderOut)
    def post(self, request, number):
        return moved(closing.cancel, own(request.auth.channel, number), request)


class Delivered(ChannelView):
    """POST that all goods of an order arrived. Safe to repeat."""

    scope = "orders:write"

    @extend_schema(request=None, responses=OrderOut)
    def post(self, request, number):
        return moved(services.deliver, own(request.auth.channel, number), request)


class Completed(ChannelView):
    """POST that an order is over: its buyer has the goods and is content. Safe to repeat."""

    scope = "orders:write"

    @extend_schema(request=None, responses=OrderOut)
    def post(self, request, number):
        return moved(services.complete, own(request.auth.channel, number), request)


class MyCancelled(MemberView):
    """POST to close an order that the member does not want to pay any more. Safe to repeat."""

    calls_outside = True

    @extend_schema(request=None, responses=OrderOut)
    def post(self, request, number):
        return moved(closing.cancel, owned(request.auth.member, number), request)


class MyReceipt(MemberView):
    """POST that the member has received the goods: the order is completed. Safe to repeat."""

    @extend_schema(request=None, responses=OrderOut)
    def post(self, request, number):
        return moved(services.complete, owned(request.auth.member, number), request)


def own(channel: Channel, number: str) -> Order:
    """An order of the channel's own; raises Problem `not_found` for what it does not see, `forbidden` for the rest."""
    order = seen(channel, number)
    if order.channel_id != channel.pk:
        raise Problem("forbidden")
    return order


def moved(move, order: Order, request) -> Response:
    """The Order once `move` has been made; its refusals as problems."""
    with refusals():
        move(order=order.pk, by=request.user)
    return Response(reading.one(id=order.pk))

"""A member's own orders."""

import json
from functools import partial
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework.response import Response

from members.api.shapes import address_of
from orders import reading
from orders.api.refusing import refusals
from orders.api.shapes import MyListIn, PayIn
from orders.api.shown import OrderOut, OrdersOut, PaymentOut
from orders.models import Order, Payment
from orders.payments import checkout
from sync.http import Keyset, Problem, etag, instant, page_as_json
from sync.http.described import ETAG, PAGED
from sync.http.paging import DEFAULT
from sync.views import MemberView

NEWEST = Keyset(reading.BY_PLACING)


class MyOrders(MemberView):
    """GET the orders of the member, newest first, whatever the channel."""

    @extend_schema(parameters=[MyListIn, *PAGED], responses=OrdersOut)
    def get(self, request):
        page = NEWEST.page_by(request, Order, partial(self.found, request))
        return page_as_json(page, [row.told for row in page.rows])

    def ahead(self, request):
        """The first page, which is mostly what is wanted."""
        return None if request.query_params else reading.first_of_token(DEFAULT + 1)

    @staticmethod
    def found(request, *place):
        """The orders at a place of the list."""
        if request.auth.ahead is not None:
            return reading.rows(request.auth.ahead)
        return reading.of_member(request.auth.member, MyListIn.read_query(request), *place)


class MyOrder(MemberView):
    """GET one order of the member."""

    @extend_schema(parameters=[ETAG], responses=OrderOut)
    def get(self, request, number):
        shown = reading.one(member=request.auth.member, number=number)
        if shown is None:
            raise Problem("not_found")
        return Response(shown, headers={"ETag": etag(shown)})


class MyPayments(MemberView):
    """POST a way to pay: what the client needs to let the member pay the order through WeChat."""

    calls_outside = True

    @extend_schema(request=PayIn, responses={201: PaymentOut})
    def post(self, request, number):
        asked = PayIn.read(request)
        owned(request.auth.member, number)
        whose = {"member": request.auth.member, "channel": request.auth.channel, "address": address_of(request)}
        return Response(as_payment(pay(number=number, method=asked["method"], **whose)), status=201)


def owned(member: UUID, number: str) -> Order:
    """An order of the member; raises Problem `not_found`."""
    order = Order.objects.select_related("channel").filter(member=member, number=number).first()
    if order is None:
        raise Problem("not_found")
    return order


def pay(**wanted) -> Payment:
    """`checkout.pay`, its refusals as problems."""
    try:
        with refusals():
            return checkout.pay(**wanted)
    except Order.DoesNotExist as error:
        raise Problem("not_found") from error
    except checkout.NoOpenid as error:
        raise Problem("openid_required") from error
    except checkout.NoMerchant as error:
        raise Problem("forbidden", error) from error


def as_payment(payment: Payment) -> dict:
    """A payment that a client can now let the member make."""
    return {
        "payment_id": str(payment.pk),
        "method": payment.method,
        "params": json.loads(payment.params),
        "expires_at": instant(payment.expires_at),
    }

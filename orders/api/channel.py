"""Orders as a channel's backend enters, reads and settles them."""

from functools import partial

from drf_spectacular.utils import extend_schema
from rest_framework.response import Response

from loyalty.api.shown import PointsInsufficientOut
from members.api.codes import CodeView
from orders import queries, reading, services
from orders.api.history_shapes import PlaceAnyIn
from orders.api.placing import edit_as_asked, place_as_asked, refuse_verified
from orders.api.shapes import EditIn, ListIn, PaymentIn
from orders.api.shown import AmountMismatchOut, OrderConflictOut, OrderOut, OrdersOut, RecipientOut, TakenOut
from orders.models import Order, Payment, PaymentCase
from sync import quotas
from sync.http import Keyset, Problem, etag, instant, page_as_json, require_match
from sync.http.described import ETAG, IF_MATCH, PAGED, refusal
from sync.views import ChannelView

BY_CHANGE = Keyset(reading.BY_CHANGE, ascending=True)
RECIPIENTS_A_MINUTE = 60
PLACED = {201: OrderOut, 200: OrderOut, **refusal(AmountMismatchOut), **refusal(PointsInsufficientOut)}
EDITED = {200: OrderOut, **refusal(AmountMismatchOut), **refusal(OrderConflictOut)}


class Orders(CodeView):
    """GET the orders the channel sees, in the order of their last change. POST one: safe to repeat."""

    @property
    def scope(self):
        return "orders:write" if self.request.method == "POST" else "orders:read"

    @extend_schema(parameters=[ListIn, *PAGED], responses=OrdersOut)
    def get(self, request):
        asked = ListIn.read_query(request)
        page = BY_CHANGE.page_by(request, Order, partial(reading.changes, request.auth.channel, asked))
        return page_as_json(page, [row.told for row in page.rows])

    @extend_schema(request=PlaceAnyIn, responses=PLACED)
    def post(self, request):
        asked = PlaceAnyIn.read(request)
        holder = self.holder_of(asked.get("proof"))
        order, is_new = place_as_asked(request.auth.channel, asked, by=request.user, holder=holder)
        return Response(reading.one(id=order.pk), status=201 if is_new else 200)


class OneOrder(ChannelView):
    """GET one order the channel sees. PATCH one of its own: what it costs before it is paid, where it goes before it is
    shipped, what its buyer notes."""

    @property
    def scope(self):
        return "orders:write" if self.request.method == "PATCH" else "orders:read"

    @extend_schema(parameters=[ETAG], responses=OrderOut)
    def get(self, request, number):
        shown = reading.one(group=request.auth.channel.group_id, number=number)
        if shown is None:
            raise Problem("not_found")
        return Response(shown, headers={"ETag": etag(shown)})

    @extend_schema(parameters=[IF_MATCH, ETAG], request=EditIn, responses=EDITED)
    def patch(self, request, number):
        asked, order = EditIn.read(request), seen(request.auth.channel, number)
        if order.channel_id != request.auth.channel.pk:
            raise Problem("forbidden")
        edit_as_asked(order, asked, by=request.user, unless=unless_changed(request))
        shown = reading.one(id=order.pk)
        return Response(shown, headers={"ETag": etag(shown)})


class RecipientOf(ChannelView):
    """GET where an order goes, in clear; who was shown it is kept."""

    scope = "orders:recipient"

    @extend_schema(responses=RecipientOut)
    def get(self, request, number):
        quotas.count(f"recipient {request.auth.channel.code}", limit=RECIPIENTS_A_MINUTE, every=60)
        order = seen(request.auth.channel, number)
        return Response(services.disclose(order=order, by=request.user))


class Payments(ChannelView):
    """POST money that the channel took itself. Safe to repeat with the same transaction_id."""

    scope = "payments:write"

    @extend_schema(request=PaymentIn, responses={201: TakenOut, 200: TakenOut})
    def post(self, request, number):
        asked, channel = PaymentIn.read(request), request.auth.channel
        refuse_verified(asked["provider"])
        if seen(channel, number).channel_id != channel.pk:
            raise Problem("forbidden")
        try:
            kept, is_new = services.take_payment(number=number, channel=channel, by=request.user, **asked)
        except services.TransactionKnown as error:
            raise Problem("reference_conflict", error) from error
        return Response(as_taken(kept), status=201 if is_new else 200)


def unless_changed(request):
    """Refuse by raising when the order is not what the client read, if it says what that was."""

    def check(order: Order) -> None:
        if "If-Match" in request.headers:
            require_match(request, reading.one(id=order.pk), required=False)

    return check


def seen(channel, number: str) -> Order:
    """An order the channel sees; raises Problem `not_found`."""
    order = queries.seen_by(channel).filter(number=number).first()
    if order is None:
        raise Problem("not_found")
    return order


def as_taken(kept: Payment | PaymentCase) -> dict:
    """What became of money: a payment that settled its order, or a case for a person."""
    is_case = isinstance(kept, PaymentCase)
    return {
        "id": str(kept.pk),
        "provider": kept.provider,
        "transaction_id": kept.transaction_id,
        "amount_fen": kept.amount_fen,
        "paid_at": instant(kept.paid_at),
        "state": "case" if is_case else kept.state,
        "case": kept.kind if is_case else None,
        "order": reading.one(id=kept.order_id),
    }

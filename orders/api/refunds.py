"""Refunds: as a channel's backend gives them, and as a member asks for them."""

from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework.response import Response

from orders import services
from orders.api.channel import refuse_verified, seen
from orders.api.mine import owned
from orders.api.refund_shapes import MyRefundIn, RefundIn, RefundOut
from orders.models import Order, Refund
from orders.payments import refunding
from sync.act import Actor
from sync.http import Problem, instant
from sync.models import Channel
from sync.views import ChannelView, MemberView


class Refunds(ChannelView):
    """POST a refund of an order of the channel's own: one that it did itself, or one for the hub to do through whoever
    took the money. Safe to repeat with the same external_id. An open request of the buyer for the same goods becomes
    this refund: that is how a channel approves."""

    scope = "refunds:write"
    calls_outside = True

    @extend_schema(request=RefundIn, responses={201: RefundOut, 200: RefundOut})
    def post(self, request, number):
        asked, channel = RefundIn.read(request), request.auth.channel
        order = seen(channel, number)
        if order.channel_id != channel.pk:
            raise Problem("forbidden")
        refund, is_new = refund_as_asked(channel, order.pk, asked, by=request.user)
        shown = refunding.carry_out(refund.pk) if is_new else refund
        return Response(as_refund(shown), status=201 if is_new else 200)


class MyRefunds(MemberView):
    """POST a request for money for goods of an order; the hub knows what was paid for them. Staff or the channel
    decide."""

    @extend_schema(request=MyRefundIn, responses={201: RefundOut})
    def post(self, request, number):
        asked = MyRefundIn.read(request)
        order = owned(request.auth.member, number)
        with_reason = {"items": asked["items"], "reason": asked["reason"]}
        refund = as_problems(services.request_refund, order=order.pk, by=request.user, **with_reason)
        return Response(as_refund(refund), status=201)


def refund_as_asked(channel: Channel, order: UUID, asked: dict, *, by: Actor) -> tuple[Refund, bool]:
    """Refund as a validated RefundIn says, by POST and as a fact; it is not called for yet. Refusals are problems."""
    executed = asked.get("executed")
    if executed:
        refuse_verified(executed["provider"])
    names = ("items", "shipping_fen", "external_id")
    given = {name: asked[name] for name in names} | {"reason": asked["reason"] or "", "executed": executed}
    return as_problems(services.refund, order=order, channel=channel, by=by, **given)


def as_problems(act, **given):
    """What the act gives, its refusals as problems."""
    try:
        return act(**given)
    except Order.DoesNotExist as error:
        raise Problem("not_found") from error
    except services.UnknownLine as error:
        raise Problem.field("items", error, "unknown") from error
    except services.RefundConflict as error:
        raise Problem("external_id_conflict", error) from error
    except services.RefundedByHub as error:
        raise Problem("forbidden", error) from error
    except services.TransactionKnown as error:
        raise Problem("reference_conflict", error) from error
    except (services.NotRefundable, services.OverRefunded) as error:
        raise Problem("order_state", error) from error


def as_refund(refund: Refund) -> dict:
    """A refund of the contract."""
    return {
        "id": str(refund.pk),
        "external_id": refund.external_id,
        "number": refund.number,
        "state": refund.state,
        "items": [
            {"line_id": str(line.line_id), "quantity": line.quantity, "amount_fen": line.amount_fen}
            for line in sorted(refund.lines.all(), key=lambda line: line.pk)
        ],
        "shipping_fen": refund.shipping_fen,
        "amount_fen": refund.amount_fen,
        "reason": refund.reason or "",
        "provider": refund.provider,
        "refunded_at": instant(refund.refunded_at),
    }

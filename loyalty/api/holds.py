"""Two-phase spending by a channel's backend."""

from datetime import timedelta

from drf_spectacular.utils import extend_schema
from rest_framework.response import Response

from loyalty import services
from loyalty.api.presence import is_shown
from loyalty.api.shapes import CaptureIn, HoldIn, refusals
from loyalty.api.shown import HoldOut, PointsInsufficientOut
from loyalty.models import Hold
from members.api.codes import CodeView
from members.queries import may_reach
from sync.http import instant
from sync.http.described import refusal
from sync.views import ChannelView


class Holds(CodeView):
    """POST points to set aside for a spending to come. Safe to repeat with the same reference.

    Like a spending it needs the member. A hold whose time is over has released itself.
    """

    scope = "points:write"

    @extend_schema(request=HoldIn, responses={201: HoldOut, 200: HoldOut, **refusal(PointsInsufficientOut)})
    def post(self, request, member):
        asked, channel = HoldIn.read(request), request.auth.channel
        reached = may_reach(channel, member)
        holder = self.holder_of(asked.get("proof"))
        with refusals():
            hold, is_new = services.hold(
                member=reached.pk,
                channel=channel,
                points=asked["points"],
                reference=asked["reference"],
                expires_in=timedelta(seconds=asked["expires_in"]),
                by=request.user,
                is_present=is_shown(reached, holder, asked=asked, by=request.user),
            )
        return Response(as_hold(hold), status=201 if is_new else 200)


class Capture(ChannelView):
    """POST to spend what is held, or a part of it: the rest is released. Safe to repeat."""

    scope = "points:write"

    @extend_schema(request=CaptureIn, responses=HoldOut)
    def post(self, request, hold):
        asked = CaptureIn.read(request)
        with refusals():
            return Response(as_hold(services.capture(hold=hold, by=request.user, points=asked.get("points"))))


class Release(ChannelView):
    """POST to give back what is held. Safe to repeat."""

    scope = "points:write"

    @extend_schema(request=None, responses=HoldOut)
    def post(self, request, hold):
        with refusals():
            return Response(as_hold(services.release(hold=hold, by=request.user)))


def as_hold(hold: Hold) -> dict:
    """A hold as the contract shows it."""
    return {
        "id": str(hold.pk),
        "points": hold.points,
        "captured": hold.captured,
        "reference": hold.reference,
        "state": hold.state,
        "expires_at": instant(hold.expires_at),
    }

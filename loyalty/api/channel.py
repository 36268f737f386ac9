"""Points as a channel's backend reads and books them."""

from drf_spectacular.utils import extend_schema

from loyalty import queries, services
from loyalty.api.shapes import BOOKED, EntryIn, booked, refusals, shown
from loyalty.api.shown import PointsOut
from members.queries import may_see
from sync.http.described import ETAG
from sync.views import ChannelView


class MemberPoints(ChannelView):
    """GET the balance and the tier of a member the channel sees."""

    scope = "points:read"

    @extend_schema(parameters=[ETAG], responses=PointsOut)
    def get(self, request, member):
        return shown(queries.as_points(may_see(request.auth.channel, member).pk))


class MemberEntries(ChannelView):
    """POST an earning or a spending. Safe to repeat with the same reference."""

    scope = "points:write"

    @extend_schema(request=EntryIn, responses=BOOKED)
    def post(self, request, member):
        asked = EntryIn.read(request)
        named = {name: asked[name] for name in ("kind", "points", "reference", "reason")}
        if asked["kind"] == "earn":
            named |= {"available_at": asked.get("pending_until"), "expires_at": asked.get("expires_at")}
        channel = request.auth.channel
        with refusals():
            posted = services.book(member=may_see(channel, member).pk, channel=channel, by=request.user, **named)
        return booked(posted)


class Reversal(ChannelView):
    """POST to undo an entry of the channel's own. Safe to repeat."""

    scope = "points:write"

    @extend_schema(request=None, responses=BOOKED)
    def post(self, request, entry):
        with refusals():
            return booked(services.reverse(entry=entry, by=request.user))

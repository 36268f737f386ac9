"""Points as a channel's backend reads and books them."""

from drf_spectacular.utils import extend_schema
from rest_framework.response import Response

from loyalty import quoting, reading, services
from loyalty.api.presence import is_shown
from loyalty.api.shapes import BOOKED, EntryIn, QuoteIn, booked, refusals
from loyalty.api.shown import PointsOut, QuoteOut
from loyalty.models import Entry
from members.api.codes import CodeView
from members.queries import may_reach, may_see, sees
from sync.http import as_json
from sync.http.described import ETAG
from sync.views import ChannelView


class MemberPoints(ChannelView):
    """GET the balance and the tier of a member the channel sees."""

    scope = "points:read"

    @extend_schema(parameters=[ETAG], responses=PointsOut)
    def get(self, request, member):
        return as_json(reading.points(may_see(request.auth.channel, member).pk))


class MemberEntries(CodeView):
    """POST an earning or a spending. Safe to repeat with the same reference.

    Spending needs the member: seen on this channel within 30 minutes, or by a code they show, which stands for nobody
    else. A channel that may write to the member and not read them is told no balance.
    """

    scope = "points:write"

    @extend_schema(request=EntryIn, responses=BOOKED)
    def post(self, request, member):
        asked, channel = EntryIn.read(request), request.auth.channel
        named = {name: asked[name] for name in ("kind", "points", "reference", "reason")}
        if asked["kind"] == "earn":
            named |= {"available_at": asked.get("pending_until"), "expires_at": asked.get("expires_at")}
        reached = may_reach(channel, member)
        with refusals():
            holder = self.holder_of(asked.get("proof"))
            is_present = asked["kind"] == "spend" and is_shown(reached, holder, asked=asked, by=request.user)
            posted = services.book(member=reached.pk, channel=channel, by=request.user, is_present=is_present, **named)
        return booked(posted, with_balance=is_present or sees(channel, reached))


class Reversal(ChannelView):
    """POST to undo an entry of the channel's own. Safe to repeat."""

    scope = "points:write"

    @extend_schema(request=None, responses=BOOKED)
    def post(self, request, entry):
        with refusals():
            posted = services.reverse(entry=entry, by=request.user)
        whose = Entry.objects.select_related("account__member").get(pk=posted.entry.pk).account.member
        return booked(posted, with_balance=sees(request.auth.channel, whose))


class Quote(ChannelView):
    """POST a basket: how many points may pay of it, and what paying the rest earns. Nothing is written."""

    scope = "points:read"

    @extend_schema(request=QuoteIn, responses=QuoteOut)
    def post(self, request):
        asked, channel = QuoteIn.read(request), request.auth.channel
        member = may_see(channel, asked["member_id"])
        return Response(quoting.quote(member=member.pk, channel=channel, items_fen=asked["items_fen"]))

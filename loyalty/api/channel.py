"""Points over HTTP: a member reads their own, a channel's backend reads and books."""

from contextlib import contextmanager
from datetime import timedelta

from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema
from rest_framework.response import Response

from loyalty import queries, services
from loyalty.api.shown import EntriesOut, PointsInsufficientOut, PointsOut, PostedOut
from loyalty.ledger import Posted
from loyalty.models import Entry
from members.queries import may_see
from sync.http import Choice, Input, Instant, Keyset, Problem, Text, Whole, etag
from sync.http.described import ETAG, PAGED, refusal
from sync.views import ChannelView, MemberView

BOOKED = {201: PostedOut, 200: PostedOut, **refusal(PointsInsufficientOut)}
MOST = 1_000_000_000  # points in one entry: no balance can overflow within a lifetime
AHEAD = timedelta(minutes=5)  # how far a caller's clock may be


class ProofIn(Input):
    """How a till shows that the member is there."""

    kind = Choice(choices=["member_code"])
    value = Text(max_length=40)


class EntryIn(Input):
    """An earning or a spending, as a channel's backend books it."""

    kind = Choice(choices=["earn", "spend"])
    points = Whole(min_value=1, max_value=MOST)
    reference = Text(max_length=120)
    reason = Text(allow_blank=True)
    occurred_at = Instant(required=False, allow_null=True)
    pending_until = Instant(required=False, allow_null=True)
    expires_at = Instant(required=False, allow_null=True)
    proof = ProofIn(required=False, allow_null=True)

    def validate(self, attrs):
        """Times that can be, and only on what they mean something for."""
        now, given = timezone.now(), {name: attrs[name] for name in ("pending_until", "expires_at") if attrs.get(name)}
        if attrs["kind"] == "spend" and given:
            raise Problem.field(min(given), _("Only points that are earned have this"))
        if attrs.get("occurred_at") and attrs["occurred_at"] > now + AHEAD:
            raise Problem.field("occurred_at", _("This is in the future"))
        if "expires_at" in given and given["expires_at"] <= given.get("pending_until", now):
            raise Problem.field("expires_at", _("Points must be usable before they expire"))
        return attrs


class MyPoints(MemberView):
    """GET the balance and the tier of the member."""

    @extend_schema(parameters=[ETAG], responses=PointsOut)
    def get(self, request):
        return shown(queries.as_points(request.auth.member))


class MyEntries(MemberView):
    """GET the member's entries, newest first."""

    @extend_schema(parameters=PAGED, responses=EntriesOut)
    def get(self, request):
        page = Keyset(("version",)).page(request, queries.entries_of(request.auth.member))
        return Response(page.body([queries.as_entry(entry) for entry in page.rows]))


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


@contextmanager
def refusals():
    """What the acts on points refuse, in the words of the contract."""
    try:
        yield
    except services.NotEnough as error:
        raise Problem("points_insufficient", error, available=error.available) from error
    except services.ReferenceConflict as error:
        raise Problem("reference_conflict") from error
    except services.NotPresent as error:
        raise Problem("member_proof_required", error) from error
    except services.Frozen as error:
        raise Problem("member_frozen", error) from error
    except Entry.DoesNotExist as error:
        raise Problem("not_found") from error


def shown(representation: dict) -> Response:
    """One resource with its tag."""
    return Response(representation, headers={"ETag": etag(representation)})


def booked(posted: Posted) -> Response:
    """201 for an entry made now, 200 for one that was there."""
    return Response(queries.as_posted(posted), status=201 if posted.created else 200)

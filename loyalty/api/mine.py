"""Points as their member reads them."""

from functools import partial

from drf_spectacular.utils import extend_schema
from rest_framework.response import Response

from loyalty import reading, services, standing
from loyalty.api.shown import EntriesOut, PointsOut, WhyTierOut
from loyalty.models import Entry
from sync.http import Keyset, Problem, as_json, page_as_json
from sync.http.described import ETAG, PAGED
from sync.views import MemberView

NEWEST = Keyset(reading.KEY)


class MyPoints(MemberView):
    """GET the balance, what of it expires soon, and the tier of the member."""

    @extend_schema(parameters=[ETAG], responses=PointsOut)
    def get(self, request):
        return as_json(reading.points(request.auth.member))


class MyEntries(MemberView):
    """GET the member's entries, those of members they absorbed among them, newest first."""

    @extend_schema(parameters=PAGED, responses=EntriesOut)
    def get(self, request):
        read = partial(reading.entries, request.auth.member)
        page = NEWEST.page_by(request, Entry, read)
        if page.rows and page.rows[0].is_due:
            services.settle(request.auth.member)
            page = NEWEST.page_by(request, Entry, read)
        return page_as_json(page, [row.told for row in page.rows])


class MyTier(MemberView):
    """GET why the member is in their tier: what counts, the last change, the next review. None without tiers: 404."""

    @extend_schema(responses=WhyTierOut)
    def get(self, request):
        told = standing.why(request.auth.member)
        if told is None:
            raise Problem("not_found")
        return Response(told)

"""Points as their member reads them."""

from drf_spectacular.utils import extend_schema
from rest_framework.response import Response

from loyalty import queries
from loyalty.api.shapes import shown
from loyalty.api.shown import EntriesOut, PointsOut
from sync.http import Keyset
from sync.http.described import ETAG, PAGED
from sync.views import MemberView


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

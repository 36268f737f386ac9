"""A member's own events: by socket ticket, or read page by page (API §3)."""

from django.conf import settings
from django.http import HttpResponse
from django.http.request import split_domain_port
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema
from rest_framework.response import Response

from sync import events, queries, quotas, tickets
from sync.api.shown import AFTER, EventsOut, ResyncRequiredOut, TicketOut
from sync.http import Problem, page_size
from sync.http.described import LIMIT, refusal
from sync.views import MemberView

PER_MINUTE = 60
LONGEST_POSITION = 18  # digits


class Tickets(MemberView):
    """POST a ticket that opens one socket, once, within 30 seconds; `url` is complete."""

    keeps_answers = False

    @extend_schema(request=None, responses={201: TicketOut})
    def post(self, request):
        proof = request.auth
        quotas.count(f"ws-tickets {proof.session}", limit=PER_MINUTE, every=60)
        ticket = tickets.issue(
            subject=events.of_member(proof.member), session=str(proof.session), channel=proof.channel
        )
        url = f"{live_url(request)}/ws/v1/me?ticket={ticket}"
        return Response({"ticket": ticket, "expires_in": tickets.TTL, "url": url}, status=201)


class Events(MemberView):
    """GET what happened to the member since `after`; without it, from the oldest event that is kept."""

    @extend_schema(parameters=[AFTER, LIMIT], responses={200: EventsOut, **refusal(ResyncRequiredOut)})
    def get(self, request):
        after, limit = _after(request), page_size(request)
        page = queries.stream(events.of_member(request.auth.member), after=after or 0, limit=limit)
        if after is not None and not page.follows(after):
            raise Problem("resync_required", head=page.head)
        return json_page(page.events, b'"head":%d' % page.head)


def live_url(request) -> str:
    """Where the sockets are: LIVE_URL, or the request's host at LIVE_PORT."""
    if settings.LIVE_URL:
        return settings.LIVE_URL
    host, _port = split_domain_port(request.get_host())
    return f"{'wss' if request.is_secure() else 'ws'}://{host}:{settings.LIVE_PORT}"


def json_page(results: list[bytes], rest: bytes) -> HttpResponse:
    """`{"results": [...], rest}` of events that are JSON already."""
    body = b'{"results":[' + b",".join(results) + b"]," + rest + b"}"
    return HttpResponse(body, content_type="application/json")


def _after(request) -> int | None:
    given = request.query_params.get("after")
    if given is None:
        return None
    if not (given.isascii() and given.isdigit() and len(given) <= LONGEST_POSITION):
        raise Problem.field("after", _("A whole number from 0"))
    return int(given)

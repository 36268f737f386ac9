"""Everything a channel may see, in one total order (API §4)."""

import base64
import re

import orjson
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema

from sync import queries
from sync.api.live import json_page
from sync.api.shown import FEED_AFTER, TYPES, FeedOut, FeedResyncRequiredOut
from sync.http import Problem, page_size
from sync.http.described import LIMIT, refusal
from sync.models import Scope
from sync.views import ChannelView

TYPE = re.compile(r"[a-z_]{1,30}\.[a-z_]{1,30}")
MOST_TYPES = 50
LOST = _("Events after this cursor are no longer kept: read the lists anew, then go on with `head` as the cursor")
CURSOR = re.compile(rb"p([0-9]{1,18})")


class Feed(ChannelView):
    """GET the events after a cursor; `cursor` is where to go on, and never null. Without one, from the oldest kept.

    410 when something after the cursor is forgotten: read the lists anew, then go on with `head` as the cursor.
    """

    scope = Scope.FEED_READ

    @extend_schema(parameters=[FEED_AFTER, LIMIT, TYPES], responses={200: FeedOut, **refusal(FeedResyncRequiredOut)})
    def get(self, request):
        position, limit, types = _after(request), page_size(request), _types(request)
        page = queries.feed(request.auth.channel, after=position, limit=limit, types=types)
        if position is not None and not page.follows(position):
            raise Problem("resync_required", LOST, head=cursor(queries.ripe()))
        rest = orjson.dumps({"cursor": cursor(page.position), "has_more": page.has_more})
        return json_page(page.events, rest[1:-1])


def cursor(position: int) -> str:
    """An opaque name of a position."""
    return base64.urlsafe_b64encode(b"p%d" % position).rstrip(b"=").decode()


def _after(request) -> int | None:
    given = request.query_params.get("after")
    if given is None:
        return None
    try:
        found = CURSOR.fullmatch(base64.b64decode(given + "=" * (-len(given) % 4), altchars=b"-_", validate=True))
    except ValueError:
        found = None
    if not found or cursor(int(found[1])) != given:
        raise Problem.field("after", _("Send a cursor as you were given it"))
    return int(found[1])


def _types(request) -> list[str]:
    given = request.query_params.get("types", "")
    types = [name for name in given.split(",") if name]
    if len(types) > MOST_TYPES or not all(TYPE.fullmatch(name) for name in types):
        raise Problem.field("types", _("Send event types, separated by commas"))
    return types

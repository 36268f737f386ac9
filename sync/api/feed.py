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
from sync.models import Channel, Scope
from sync.secret import KeyGone, Unreadable, seal, unseal
from sync.views import ChannelView

TYPE = re.compile(r"[a-z_]{1,30}\.[a-z_]{1,30}")
MOST_TYPES = 50
LOST = _("Events after this cursor are no longer kept: read the lists anew, then go on with `head` as the cursor")


class Feed(ChannelView):
    """GET the events after a cursor; `cursor` is where to go on, and never null. Without one, from the oldest kept.

    410 when something after the cursor is forgotten: read the lists anew, then go on with `head` as the cursor.
    """

    scope = Scope.FEED_READ

    @extend_schema(parameters=[FEED_AFTER, LIMIT, TYPES], responses={200: FeedOut, **refusal(FeedResyncRequiredOut)})
    def get(self, request):
        after, limit, types = _after(request), page_size(request), _types(request)
        page = queries.feed(request.auth.channel, after=after, limit=limit, types=types)
        if after is not None and not page.follows(after):
            raise _lost(request)
        place = cursor(page.position, request.auth.channel)
        rest = orjson.dumps({"cursor": place, "has_more": page.has_more})
        return json_page(page.events, rest[1:-1])


def cursor(position: int, channel: Channel) -> str:
    """An opaque name of a position, for the channel's sharing group: of others' events it must not tell the number."""
    sealed = seal(position.to_bytes(8), _group(channel))
    return base64.urlsafe_b64encode(sealed).rstrip(b"=").decode()


def position(cursor: str, channel: Channel) -> int:
    """The position that a cursor names. Raises ValueError or Unreadable, KeyGone for one of a key that is gone."""
    sealed = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
    return int.from_bytes(unseal(sealed, _group(channel)))


def _after(request) -> int | None:
    given = request.query_params.get("after")
    if given is None:
        return None
    try:
        return position(given, request.auth.channel)
    except KeyGone:
        raise _lost(request) from None
    except (ValueError, Unreadable):
        raise Problem.field("after", _("Send a cursor as you were given it")) from None


def _lost(request) -> Problem:
    return Problem("resync_required", LOST, head=cursor(queries.ripe(), request.auth.channel))


def _group(channel: Channel) -> str:
    return f"feed:{channel.group_id}"


def _types(request) -> list[str]:
    given = request.query_params.get("types", "")
    types = [name for name in given.split(",") if name]
    if len(types) > MOST_TYPES or not all(TYPE.fullmatch(name) for name in types):
        raise Problem.field("types", _("Send event types, separated by commas"))
    return types

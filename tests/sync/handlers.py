"""What the inbox applies in tests: named in INBOX_HANDLERS, they keep what they were given."""

from django.db import OperationalError, connection

from sync import events, inbox
from sync.act import in_act
from sync.http import Problem

applied = []


def keeps(channel, data, occurred_at, by):
    """Apply, and keep the arguments. `data["refuse"]`, `["break"]` and `["fail"]` (a list of failures) go wrong.

    `data["tells"]` is the type of the fact that comes of it, `["subject"]` its stream, `["more"]` what it tells,
    `["locks"]` the number of an advisory lock that it needs.
    """
    subject = data.get("subject") or f"order/{data.get('external_id', 'x')}"
    told = {"version": 1} | data.get("more", {})
    events.record(data.get("tells", "order.placed"), subject=subject, data=told, by=by)
    if deaths:
        connection.cursor().execute(f"SELECT {deaths.pop()}")
    if key := data.get("locks"):
        connection.cursor().execute("SET LOCAL lock_timeout = '50ms'; SELECT pg_advisory_xact_lock(%s)", [key])
    if refused:
        raise Problem(next(iter(refused)))
    if code := data.get("refuse"):
        raise Problem(code, "13800138000", errors=[("contact.phone", "invalid", "13800138000")])
    if data.get("break"):
        raise KeyError("13800138000")
    if failing and data.get("fail"):
        raise failing.pop()
    applied.append((channel and channel.code, data, occurred_at, str(by)))


failing: list[OperationalError] = []

deaths: list[str] = []  # what ends the database's connection in the applications to come
refused: set[str] = set()  # the code with which everything is refused for the time being
known: set[str] = set()
outside: list[bool] = []


def waits(channel, data, occurred_at, by):
    """Apply to what is `known`, park the rest; `data["outside"]` is how often something is needed outside first."""
    if KEY not in known:
        raise inbox.Waits(KEY)
    if len(outside) < data.get("outside", 0):
        raise inbox.Outside(lambda: outside.append(connection.in_atomic_block and bool(in_act())))
    applied.append((channel and channel.code, data | {"by": "paid"}, occurred_at, str(by)))


KEY = "order/website/7"

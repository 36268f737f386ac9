"""What the inbox applies in tests: named in INBOX_HANDLERS, they keep what they were given."""

from django.db import OperationalError

from sync import events
from sync.http import Problem

applied = []


def keeps(channel, data, occurred_at, by):
    """Apply, and keep the arguments. `data["refuse"]`, `["break"]` and `["fail"]` (a list of failures) go wrong."""
    subject = f"order/{data.get('external_id', 'x')}"
    events.record("order.placed", subject=subject, data={"version": 1}, by=by)
    if code := data.get("refuse"):
        raise Problem(code, "13800138000", errors=[("contact.phone", "invalid", "13800138000")])
    if data.get("break"):
        raise KeyError("13800138000")
    if failing and data.get("fail"):
        raise failing.pop()
    applied.append((channel and channel.code, data, occurred_at, str(by)))


failing: list[OperationalError] = []

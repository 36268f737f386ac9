"""Facts that a channel pushes about its orders, through the inbox as it stores and applies them."""

import itertools
import json
from datetime import datetime, timedelta

from sync import inbox
from sync.http import instant
from sync.models import InboxMessage
from tests import make

SENDER = "channels/website"
_ids = itertools.count(1)


def tell(type: str, data: dict, *, at: datetime = make.NOON, id: str = "", channel: str = "website") -> None:
    """A channel tells a fact; it is stored and applied as far as that goes."""
    name, subject = id or f"fact-{next(_ids)}", f"order/{data.get('external_id') or data.get('number')}"
    event = {"specversion": "1.0", "id": name, "source": f"/channels/{channel}", "type": type, "time": instant(at)}
    inbox.store(f"channels/{channel}", name, type, subject, json.dumps(event | {"data": data}).encode())
    inbox.apply(f"channels/{channel}", subject)


def money(fen: int = 12_900, transaction_id: str = "T1", **fields) -> dict:
    """The body of POST payments for money that the channel took."""
    known = {"provider": "offline", "transaction_id": transaction_id, "amount_fen": fen}
    return known | {"paid_at": instant(make.NOON + timedelta(minutes=2))} | fields


def states() -> list[tuple[str, str]]:
    """What became of every message, in the order they were told: (type, state), or (type, problem) where refused."""
    rows = InboxMessage.objects.order_by("id").values_list("type", "state", "problem")
    return [(type.removeprefix("order."), problem or state) for type, state, problem in rows]

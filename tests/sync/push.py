"""What a channel's backend does: sign with the official library, push facts into the inbox."""

import json

from django.utils import timezone
from standardwebhooks import Webhook

from tests import make

ONE, MANY = "application/cloudevents+json", "application/cloudevents-batch+json"


def event(id: str = "1", type: str = "order.placed", *, channel: str = "website", **fields) -> dict:
    """A CloudEvent of a channel; `fields` are its attributes, `data` among them."""
    made = {"specversion": "1.0", "id": id, "source": f"/channels/{channel}", "type": type, "data": {}}
    return made | {"time": "2020-11-22T06:08:31.120Z"} | fields


def push(channel, what, *, media: str = "", when=None, headers: dict | None = None):
    """The answer to one event, or to a list of them, or to raw bytes, of a channel."""
    body = what if isinstance(what, bytes) else json.dumps(what).encode()
    now = timezone.now() if when is None else when
    known = {
        "X-Channel": channel.code,
        "webhook-id": "msg_1",
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(channel.inbound_secret).sign("msg_1", now, body.decode()),
    }
    known = {name: value for name, value in (known | (headers or {})).items() if value is not None}
    kind = media or (MANY if isinstance(what, list) else ONE)
    return make.Http(raise_request_exception=False).post("/api/v1/inbox", body, content_type=kind, headers=known)


def counts(accepted: int = 0, duplicates: int = 0, quarantined: int = 0) -> dict:
    """The body of a 202."""
    return {"accepted": accepted, "duplicates": duplicates, "quarantined": quarantined}

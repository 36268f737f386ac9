"""One envelope for every fact: CloudEvents 1.0, the same bytes on the socket, in webhooks and in the feed (API §2)."""

from datetime import datetime

import orjson

from sync.http import instant

COLUMNS = "e.id, e.subject, e.sequence, e.type, e.source, e.correlation_id, e.time, e.data::text AS data"


def cloud_event(row: dict) -> bytes:
    """The CloudEvent of an event's row, as JSON; `data` may be JSON text already, `time` may be ISO text."""
    data, time = row["data"], row["time"]
    event = {
        "specversion": "1.0",
        "id": str(row["id"]),
        "source": row["source"],
        "type": row["type"],
        "subject": row["subject"],
        "time": instant(datetime.fromisoformat(time) if isinstance(time, str) else time),
        "datacontenttype": "application/json",
        "sequence": str(row["sequence"]),
    }
    if row["correlation_id"]:  # CloudEvents allow no empty attribute
        event["correlationid"] = row["correlation_id"]
    event["data"] = orjson.Fragment(data) if isinstance(data, str) else data
    return orjson.dumps(event)


def channel_of(subject: str) -> str:
    """The Redis channel on which a subject's events are told."""
    return f"hub:s:{subject}"

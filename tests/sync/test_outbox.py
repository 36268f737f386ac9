"""The event table as Debezium's outbox event router reads it, with the connector's settings of docs/debezium.json."""

import json
import re
from collections import defaultdict
from pathlib import Path

import pytest
from django.db import ProgrammingError, connection

from sync import act, events
from sync.act import SYSTEM
from sync.ids import request_id
from sync.models import Event

pytestmark = pytest.mark.django_db(transaction=True)

SETTINGS = json.loads(Path("docs/debezium.json").read_text())
TABLE = "public.sync_event"
COLUMNS = """
SELECT a.attname, format_type(a.atttypid, NULL), a.attnotnull FROM pg_attribute a
WHERE a.attrelid = %s::regclass AND a.attnum > 0 AND NOT a.attisdropped
"""
MAPPED = {"uuid", "character varying", "bigint", "jsonb", "timestamp with time zone"}  # by the connector, as it comes


def option(name: str) -> str:
    return SETTINGS[f"transforms.outbox.{name}"]


def columns() -> dict[str, tuple[str, bool]]:
    """Type and whether it is always there, of each column that the connector captures."""
    with connection.cursor() as cursor:
        cursor.execute(COLUMNS, [TABLE])
        found = {name: (type, is_there) for name, type, is_there in cursor.fetchall()}
    left_out = SETTINGS["column.exclude.list"].split(",")
    assert set(left_out) <= {f"{TABLE}.{name}" for name in found}
    return {name: told for name, told in found.items() if f"{TABLE}.{name}" not in left_out}


def routed() -> list[dict]:
    """What the router makes of each row inserted, in the order of the log."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_jsonb(e) - '{xid,written,only_for}'::text[] FROM sync_event e ORDER BY written")
        rows = [json.loads(row) if isinstance(row, str) else row for (row,) in cursor.fetchall()]
    headers = [placed.split(":") for placed in option("table.fields.additional.placement").split(",")]
    assert {place for _column, place, _name in headers} == {"header"}  # so that the payload is the value itself
    return [
        {
            "topic": re.sub(
                *map(option, ("route.topic.regex", "route.topic.replacement")), row[field("route")], count=1
            ),
            "key": row[field("key")],
            "value": row[field("payload")],
            "headers": {"id": row[field("id")]} | {name: row[column] for column, _place, name in headers},
        }
        for row in rows
    ]


def field(name: str) -> str:
    return option("route.by.field" if name == "route" else f"table.field.event.{name}")


def test_the_connector_knows_the_type_of_every_column_it_captures():
    assert {type for type, _is_there in columns().values()} <= MAPPED


@pytest.mark.parametrize(
    ("name", "type"),
    [("id", "uuid"), ("key", "character varying"), ("route", "character varying"), ("payload", "jsonb")],
)
def test_what_the_router_asks_for_is_there_in_every_row_as_its_documentation_wants_it(name, type):
    assert columns()[field(name)] == (type, True)


def test_every_column_told_beside_the_payload_is_there():
    placed = [each.split(":")[0] for each in option("table.fields.additional.placement").split(",")]
    assert set(placed) <= set(columns())


def test_every_fact_becomes_one_message_and_a_subjects_keep_their_order():
    held = request_id.set("req-7")
    try:
        for turn in range(3):
            act.outermost(lambda n=turn: [tell("member/1", n), tell("order/D1", n), tell("member/1", n)])
    finally:
        request_id.reset(held)
    found = routed()
    assert {message["topic"] for message in found} == {"hub.events"}
    by_key = defaultdict(list)
    for message in found:
        by_key[message["key"]].append(message["headers"]["sequence"])
    assert by_key == {"member/1": [1, 2, 3, 4, 5, 6], "order/D1": [1, 2, 3]}
    assert len({message["headers"]["id"] for message in found}) == len(found) == 9
    assert found[0]["value"] == {"n": 0}
    assert found[0]["headers"] | {"id": 0, "time": 0} == {
        "id": 0, "type": "order.paid", "source": "/hub", "sequence": 1, "time": 0, "correlationid": "req-7",
    }  # fmt: skip


def test_no_row_is_ever_updated_which_the_router_would_refuse():
    act.outermost(lambda: tell("member/1", 1))
    with pytest.raises(ProgrammingError, match="Cannot update"):
        Event.objects.update(type="order.forged")


def tell(subject: str, n: int):
    return events.record("order.paid", subject=subject, data={"n": n}, by=SYSTEM)

"""A member's orders, and placing one: what PostgreSQL could do alone, what we do, and what would be written first.

All in this process and one at a time, by WSGI calls: the whole request, with all that production puts around it. The
floor is a bare WSGI application that sends one prepared statement, for a member it does not check.
"""

import io
import json
import os
import random
import time
from collections.abc import Callable
from functools import partial
from itertools import count
from uuid import UUID

import psycopg

from config.wsgi import application
from tests import make
from tests.bench.frame import ROUNDS, SCALE, Figure, held, interleaved, scaled
from tests.bench.ledger_data import check, execute
from tests.bench.orders_data import FLOOR, fill

HOW = f"medians of {ROUNDS} rounds, one caller"
SECONDS = max(0.05, SCALE / 2)
READ, BARE, FIRST_READ = (
    "GET me/orders",
    "bare WSGI, JSON by PostgreSQL",
    "GET me/orders, ModelSerializer with prefetch",
)
PLACE, FIRST_PLACE = "POST orders with points", "POST orders with points, plain ORM services"
ITEMS = [{"sku": f"TEA-{n}", "name": f"明前龙井 {n}", "quantity": n, "unit_price_fen": 12_900} for n in (1, 2, 3)]
ADDRESS = {
    "receiver": "王小明",
    "phone": "13800138000",
    "province": "浙江省",
    "city": "杭州市",
    "street": "龙井路 1 号",
}
_numbers = count(1)
Work = Callable[[UUID], bytes]


class NotAlike(Exception):
    """The works do not show or write the same: nothing they measure counts."""


def measure() -> list[Figure]:
    """All figures; raises NotAlike, and DoesNotAddUp when the points are wrong at the end."""
    tokens = fill(scaled(1_000, 25))
    backend = make.backend_client("website").headers["Authorization"]
    reads = {READ: reading("me/orders", tokens), FIRST_READ: reading("bench/me/orders", tokens), BARE: floor()}
    places = {PLACE: placing("orders", backend), FIRST_PLACE: placing("bench/orders", backend)}
    known = list(tokens)
    readers, buyers = known[: len(known) // 2], known[len(known) // 2 :]  # so that no list grows
    require_alike({name: json.loads(work(readers[0])) for name, work in reads.items()})
    require_alike({name: written_by(partial(work, buyers[0])) for name, work in places.items()})
    works = {name: partial(rate, work, readers) for name, work in reads.items()}
    medians = interleaved(works) | interleaved({name: partial(rate, work, buyers) for name, work in places.items()})
    check()
    return [
        held(BARE, medians, FIRST_READ),
        held(READ, medians, BARE, 0.5),
        held(READ, medians, FIRST_READ, 4),
        held(FIRST_READ, medians, BARE),
        held(PLACE, medians, FIRST_PLACE, 1.5),
        held(FIRST_PLACE, medians, PLACE),
    ]


def rate(work: Work, members: list[UUID]) -> float:
    """How often a second, for a member by chance each time."""
    done, begun = 0, time.perf_counter()
    while (passed := time.perf_counter() - begun) < SECONDS:
        work(random.choice(members))
        done += 1
    return done / passed


def reading(path: str, tokens: dict[UUID, str]) -> Work:
    """GET a list with the token of the member whose it is."""
    return lambda member: called(application, "GET", path, f"Bearer {tokens[member]}")


def placing(path: str, authorization: str) -> Work:
    """POST an order of three lines, of which points pay a part."""

    def place(member: UUID) -> bytes:
        order = {
            "external_id": f"{path}-{next(_numbers)}",
            "member_id": str(member),
            "items": ITEMS,
            "address": ADDRESS,
        }
        order |= {"shipping_fen": 1_000, "points_to_redeem": 500, "buyer_note": "放门口"}
        return called(application, "POST", path, authorization, json.dumps(order).encode())

    return place


def floor() -> Work:
    """A bare WSGI application on a connection of its own."""
    bare = psycopg.connect(os.environ["DATABASE_URL"], autocommit=True, prepare_threshold=0)
    bare.adapters.register_loader("json", psycopg.types.string.TextBinaryLoader)

    def app(environ, start_response):
        ((told,),) = bare.execute(FLOOR, [environ["member"]], binary=True).fetchall()
        start_response("200 OK", [("Content-Type", "application/json")])
        return [told.encode()]

    return lambda member: called(app, "GET", "me/orders", "", member=member)


def called(app, method: str, path: str, authorization: str, body: bytes = b"", **more) -> bytes:
    """The body of an answer; raises RuntimeError for a refusal."""
    environ = {"REQUEST_METHOD": method, "PATH_INFO": f"/api/v1/{path}", "QUERY_STRING": "", "SCRIPT_NAME": ""}
    environ |= {"SERVER_NAME": "127.0.0.1", "SERVER_PORT": "8000", "REMOTE_ADDR": "127.0.0.1", "HTTP_HOST": "127.0.0.1"}
    environ |= {"HTTP_AUTHORIZATION": authorization, "wsgi.input": io.BytesIO(body), "wsgi.url_scheme": "http"}
    environ |= {"CONTENT_TYPE": "application/json", "CONTENT_LENGTH": str(len(body)), "wsgi.errors": io.StringIO()}
    statuses = []
    answer = app(environ | more, lambda status, _headers, *_error: statuses.append(status))
    said = b"".join(answer)
    if hasattr(answer, "close"):
        answer.close()
    if not statuses[0].startswith("20"):
        raise RuntimeError(f"{path}: {statuses[0]} {said[:500]!r}")
    return said


def written_by(place: Callable[[], bytes]) -> dict:
    """What placing an order answers, less what is each order's own, and how many rows it adds to which table."""
    before = rows()
    shown = json.loads(place())
    added = {table: n - before[table] for table, n in rows().items() if n != before[table]}
    for line in shown["lines"]:
        del line["id"]
    own = ("number", "external_id", "placed_at", "updated_at")
    return {"added": added} | {name: value for name, value in shown.items() if name not in own}


def rows() -> dict[str, int]:
    """How many rows each table has."""
    return {table: execute(f"SELECT count(*) FROM {table}")[0][0] for table in make.tables()}  # noqa: S608


def require_alike(found: dict[str, object]) -> None:
    """Raise NotAlike unless all are equal."""
    (name, first), *others = found.items()
    for other, value in others:
        if value != first:
            one, two = str(first), str(value)
            since = max(0, next(n for n, (a, b) in enumerate(zip(one + " ", two + " ", strict=False)) if a != b) - 99)
            raise NotAlike(f"{name}: …{one[since:][:200]}\n{other}: …{two[since:][:200]}")

"""A receiver of the member hub's events. Python 3.9 or newer, standard library only. Copy it and write `apply`.

    HUB_URL=https://hub.example HUB_API_KEY=hub_sk_… HUB_WEBHOOK_SECRETS=whsec_… python3 receiver.py
    python3 receiver.py show       what it has applied, as JSON

HUB_WEBHOOK_SECRETS  the endpoint's secret; several, separated by spaces, while you replace one
HUB_API_KEY          a key of the channel with the scopes feed:read and orders:read
RECEIVER_DATA        where the SQLite file is kept (.)          HOST, PORT   where to listen (127.0.0.1, 8080)

A webhook is verified, kept in SQLite and answered; a thread applies what is kept. Each event is applied once, by its
id; events of one subject in the order of `sequence`. Where a number is missing, the feed is read to its end: what is
missing then was never meant for this channel. The feed is read at the start and every minute as well, so that nothing
is lost while the receiver is away; after more than the hub keeps, its lists are read anew. Put it behind your web
server, which speaks TLS.
"""

import base64
import hashlib
import hmac
import json
import logging
import os
import re
import signal
import sqlite3
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

TOLERANCE = 300  # seconds that a signature may be old, or ahead of this clock
LARGEST = 1_048_576  # bytes of a body
PAGE = 100  # events of a page of the feed
EVERY = 60  # seconds between two looks into the feed
REMEMBERED = 30 * 86_400  # seconds; the hub repeats nothing that is older than 14 days
SAMPLES = "/hub/samples"  # the source of what staff send to try the address: it is no fact
log = logging.getLogger("receiver")


def apply(event: dict, database: sqlite3.Connection) -> None:
    """What your shop does with an event. This one keeps a copy of each order.

    It runs in the transaction that marks the event as applied: what you write to `database` happens once. What you do
    elsewhere (an e-mail, another database) may be repeated after a crash: give it `event["id"]` as its key. When this
    raises, the event is tried again and later ones of its subject wait. Unknown types are to be ignored.
    """
    if event["type"].startswith("order."):
        keep_order(event["data"], database)


def keep_order(order: dict, database: sqlite3.Connection) -> None:
    """What your shop does with an order as it is now: from an event, or from the list after a long absence."""
    database.execute(
        "INSERT INTO shop_order VALUES (?, ?, ?, ?) ON CONFLICT (number) DO UPDATE SET version = excluded.version,"
        " status = excluded.status, body = excluded.body WHERE excluded.version > shop_order.version",
        (order["number"], order["version"], order["status"], json.dumps(order)),
    )


class Refused(Exception):
    """A request that does not prove that the hub sent it."""


def verify(headers, body: bytes, secrets: list, now: float) -> None:
    """Standard Webhooks: one of the signatures is right under one of the secrets, and its time is near. Or Refused."""
    identity, timestamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not identity or not re.fullmatch("[0-9]{1,12}", timestamp) or abs(now - int(timestamp)) > TOLERANCE:
        raise Refused
    signed = f"{identity}.{timestamp}.".encode() + body
    offered = headers.get("webhook-signature", "").encode().split(b" ")
    for secret in secrets:
        mac = hmac.new(key_of(secret), signed, hashlib.sha256).digest()
        right = b"v1," + base64.b64encode(mac)
        if any(hmac.compare_digest(right, one) for one in offered):
            return
    raise Refused


def key_of(secret: str) -> bytes:
    """The bytes of a `whsec_` secret."""
    encoded = secret[len("whsec_") :] if secret.startswith("whsec_") else secret
    return base64.b64decode(encoded + "=" * (-len(encoded) % 4))


def place_of(event: dict) -> tuple:
    """The stream of an event and its place there. One without a sequence stands alone."""
    if "sequence" in event:
        return event["subject"], int(event["sequence"])
    return f"event/{event['id']}", 1


class Store:
    """What was received, what was applied, and how far the feed was read. One SQLite file."""

    SCHEMA = """
    PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
    CREATE TABLE IF NOT EXISTS event (
        id TEXT PRIMARY KEY, subject TEXT NOT NULL, sequence INTEGER NOT NULL, body TEXT NOT NULL,
        state TEXT NOT NULL DEFAULT 'waiting', at REAL NOT NULL);  -- waiting, applied, late
    CREATE INDEX IF NOT EXISTS waiting ON event (subject, sequence) WHERE state = 'waiting';
    CREATE TABLE IF NOT EXISTS subject (name TEXT PRIMARY KEY, applied INTEGER NOT NULL);
    CREATE TABLE IF NOT EXISTS cursor (one INTEGER PRIMARY KEY CHECK (one = 1), value TEXT NOT NULL);
    CREATE TABLE IF NOT EXISTS shop_order (number TEXT PRIMARY KEY, version INTEGER, status TEXT, body TEXT);
    """

    def __init__(self, path: str):
        self.database = sqlite3.connect(path, timeout=10, isolation_level=None, check_same_thread=False)
        self.database.row_factory = sqlite3.Row
        self.database.executescript(self.SCHEMA)
        self.lock = threading.RLock()

    def __enter__(self):
        """A transaction."""
        self.lock.acquire()
        self.database.execute("BEGIN IMMEDIATE")
        return self.database

    def __exit__(self, failed, *_error):
        self.database.execute("ROLLBACK" if failed else "COMMIT")
        self.lock.release()

    def keep(self, events: list, cursor: str = "") -> None:
        """Keep events that are not known yet, and with them how far the feed was read."""
        rows = [(event["id"], *place_of(event), json.dumps(event), time.time()) for event in events]
        with self as database:
            database.executemany(
                "INSERT OR IGNORE INTO event (id, subject, sequence, body, at) VALUES (?, ?, ?, ?, ?)", rows
            )
            if cursor:
                database.execute("INSERT OR REPLACE INTO cursor VALUES (1, ?)", (cursor,))

    def rows(self, sql: str, *values) -> list:
        with self.lock:
            return self.database.execute(sql, values).fetchall()

    def cursor(self) -> str:
        return "".join(row["value"] for row in self.rows("SELECT value FROM cursor"))

    def newest(self) -> int:
        """Events are numbered as they come; the number of the last one."""
        return self.rows("SELECT coalesce(max(rowid), 0) AS last FROM event")[0]["last"]

    def waiting(self) -> list:
        """Subjects that something waits for."""
        return [row["subject"] for row in self.rows("SELECT DISTINCT subject FROM event WHERE state = 'waiting'")]

    def apply_next(self, subject: str, whole) -> bool:
        """Apply the next event of a subject. False when there is none, or one before it is missing.

        `whole(row)` says whether all that comes before this event has been read.
        """
        with self as database:
            known = database.execute("SELECT applied FROM subject WHERE name = ?", (subject,)).fetchone()
            row = database.execute(
                "SELECT rowid, * FROM event WHERE subject = ? AND state = 'waiting' ORDER BY sequence LIMIT 1",
                (subject,),
            ).fetchone()
            applied = known["applied"] if known else 0
            if row is None or (row["sequence"] > applied + 1 and not whole(row)):
                return False
            is_late = row["sequence"] <= applied  # a later one was applied: what this one said is history
            if not is_late:
                apply(json.loads(row["body"]), database)
                database.execute("INSERT OR REPLACE INTO subject VALUES (?, ?)", (subject, row["sequence"]))
            state = "late" if is_late else "applied"
            database.execute("UPDATE event SET state = ? WHERE id = ?", (state, row["id"]))
        log.info("%s %s %s %s", state, subject, row["sequence"], row["id"])
        return True

    def forget(self) -> None:
        """Drop what is too old to be repeated."""
        with self as database:
            database.execute("DELETE FROM event WHERE state <> 'waiting' AND at < ?", (time.time() - REMEMBERED,))

    def shown(self) -> dict:
        """What it holds, for people and tests."""
        counts = {row["state"]: row["n"] for row in self.rows("SELECT state, count(*) AS n FROM event GROUP BY state")}
        return {
            **{state: counts.get(state, 0) for state in ("applied", "waiting", "late")},
            "cursor": self.cursor(),
            "subjects": {row["name"]: row["applied"] for row in self.rows("SELECT * FROM subject")},
            "orders": {row["number"]: row["status"] for row in self.rows("SELECT * FROM shop_order")},
        }


class Worker(threading.Thread):
    """Applies what is kept, and reads the feed where something is missing."""

    def __init__(self, store: Store, hub: str, key: str):
        super().__init__(daemon=True)
        self.store, self.hub, self.key = store, hub.rstrip("/"), key
        self.wake = threading.Event()

    def run(self) -> None:
        read_at, pause = 0.0, 1.0
        while True:
            self.wake.clear()
            try:
                stuck = self.apply(lambda row: False)
                if self.store.waiting() or time.monotonic() - read_at > EVERY or not read_at:
                    stuck = self.catch_up()
                    self.store.forget()
                    read_at = time.monotonic()
            except Exception:  # the hub is away, the disk is full: what is kept stays, and is tried again
                log.exception("Again in %s s", pause)
                stuck = True
            self.wake.wait(pause if stuck else EVERY)
            pause = min(2 * pause, EVERY) if stuck else 1.0

    def apply(self, whole) -> bool:
        """Apply what can be applied. Returns whether a subject is stuck because `apply` raised."""
        stuck = False
        for subject in self.store.waiting():
            try:
                while self.store.apply_next(subject, whole):
                    pass
            except Exception:  # other subjects go on
                log.exception("%s is stuck", subject)
                stuck = True
        return stuck

    def catch_up(self) -> bool:
        """Read the feed to its end, then apply all whose predecessors must have been in it."""
        before, read, more = self.store.newest(), set(), True
        while more:
            page = self.page(self.store.cursor())
            self.store.keep(page["results"], page["cursor"])
            read.update(event["id"] for event in page["results"])
            more = page["has_more"]
        return self.apply(lambda row: row["rowid"] <= before or row["id"] in read)

    def page(self, cursor: str) -> dict:
        """The events after a cursor; none, and another cursor, when the hub has forgotten some of them."""
        try:
            return self.ask("feed", {"limit": PAGE, **({"after": cursor} if cursor else {})})
        except urllib.error.HTTPError as refused:
            if refused.code != 410:
                raise
            head = json.load(refused)["head"]
        log.info("away for too long: reading the state anew")
        self.read_anew()
        return {"results": [], "cursor": head, "has_more": True}

    def read_anew(self) -> None:
        """Keep all orders as they are now. If you keep members, fetch those you know here as well."""
        query = {"limit": PAGE}
        while query:
            page = self.ask("orders", query)
            with self.store as database:
                for order in page["results"]:
                    keep_order(order, database)
            query = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(page["next"] or "").query))

    def ask(self, path: str, query: dict) -> dict:
        request = urllib.request.Request(f"{self.hub}/api/v1/{path}?{urllib.parse.urlencode(query)}")  # noqa: S310
        request.add_header("Authorization", f"Bearer {self.key}")
        with urllib.request.urlopen(request, timeout=15) as answer:  # noqa: S310 - your own hub
            return json.load(answer)


class Webhook(BaseHTTPRequestHandler):
    """POST: 204 when the event is kept, 401 when it is not the hub's."""

    protocol_version = "HTTP/1.1"
    timeout = 30  # seconds that a sender may take, and longer than the hub keeps an idle connection

    def do_POST(self):
        length = self.headers.get("Content-Length", "")
        if not length.isdigit() or int(length) > LARGEST:
            return self.answer(413)
        body = self.rfile.read(int(length))
        try:
            verify(self.headers, body, self.server.secrets, time.time())
            event = json.loads(body)
            if event["source"] != SAMPLES:
                self.server.store.keep([event])
        except Refused:
            return self.answer(401)
        except (ValueError, KeyError, TypeError):
            return self.answer(400)
        self.answer(204)
        self.server.worker.wake.set()

    def answer(self, status: int) -> None:
        self.send_response(status)
        if status != 204:
            self.send_header("Content-Length", "0")
            self.send_header("Connection", "close")
            self.close_connection = True
        self.end_headers()

    def log_message(self, *_args):
        pass


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    store = Store(os.path.join(os.environ.get("RECEIVER_DATA", "."), "receiver.sqlite3"))
    if sys.argv[1:] == ["show"]:
        sys.stdout.write(json.dumps(store.shown()) + "\n")
        return
    place = os.environ.get("HOST", "127.0.0.1"), int(os.environ.get("PORT", "8080"))
    server = ThreadingHTTPServer(place, Webhook)
    server.daemon_threads, server.request_queue_size = True, 128
    server.store, server.secrets = store, os.environ["HUB_WEBHOOK_SECRETS"].split()
    if not all(map(key_of, server.secrets)):
        sys.exit("HUB_WEBHOOK_SECRETS: a secret is whsec_ and base64")
    server.worker = Worker(store, os.environ["HUB_URL"], os.environ["HUB_API_KEY"])
    server.worker.start()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    server.serve_forever()


if __name__ == "__main__":
    main()

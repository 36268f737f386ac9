"""Everything the database holds about a member's points, read by one statement, and what must be so whenever it is."""

from collections import Counter, defaultdict
from dataclasses import dataclass
from datetime import datetime
from itertools import accumulate, zip_longest

import orjson

from members.models import Member
from sync import prepared
from tests.loyalty.books import COMPONENTS, Books, Hold, Lot, Made

READ = """
WITH a AS (SELECT * FROM loyalty_account WHERE member_id = %(member)s)
SELECT jsonb_build_object(
    'account', (SELECT to_jsonb(a) FROM a),
    'entries', (SELECT jsonb_agg(to_jsonb(e) ORDER BY e.version) FROM loyalty_entry e JOIN a ON a.id = e.account_id),
    'lots', (SELECT jsonb_agg(to_jsonb(l) ORDER BY l.entry_id) FROM loyalty_lot l JOIN a ON a.id = l.account_id),
    'draws', (SELECT jsonb_agg(to_jsonb(d) ORDER BY d.id) FROM loyalty_draw d WHERE d.entry_id IN (
        SELECT e.id FROM loyalty_entry e JOIN a ON a.id = e.account_id)),
    'holds', (SELECT jsonb_agg(to_jsonb(h) ORDER BY h.entry_id) FROM loyalty_hold h JOIN a ON a.id = h.account_id),
    'purchases', (SELECT jsonb_agg(to_jsonb(p) ORDER BY p.id) FROM loyalty_purchase p JOIN a ON a.id = p.account_id),
    'purchase_lines', (SELECT jsonb_agg(to_jsonb(l) ORDER BY l.id) FROM loyalty_purchaseline l WHERE l.purchase_id IN (
        SELECT p.id FROM loyalty_purchase p JOIN a ON a.id = p.account_id)),
    'refunds', (SELECT jsonb_agg(to_jsonb(r) ORDER BY r.id) FROM loyalty_purchaserefund r WHERE r.purchase_id IN (
        SELECT p.id FROM loyalty_purchase p JOIN a ON a.id = p.account_id)),
    'member', (SELECT to_jsonb(m) FROM members_member m WHERE m.id = %(member)s),
    'head', (SELECT s.head FROM sync_stream s WHERE s.subject = %(subject)s),
    'events', (SELECT jsonb_agg(to_jsonb(e) ORDER BY e.sequence) FROM sync_event e WHERE e.subject = %(subject)s)
)::text
"""


@dataclass(frozen=True)
class Seen:
    """Rows as they are in the database; `text` is all of them, byte by byte."""

    text: str
    account: dict | None
    entries: list[dict]
    lots: list[dict]
    draws: list[dict]
    holds: list[dict]
    events: list[dict]
    silent: int  # purchases and refunds without points: new versions without entries

    @property
    def balance(self) -> tuple[int, int, int, int]:
        """available, pending, held, debt."""
        return tuple(self.account[name] for name in COMPONENTS) if self.account else (0, 0, 0, 0)


def read(member: Member) -> Seen:
    """A member's points, all of them at one moment."""
    ((text,),) = prepared.run(READ, {"member": member.pk, "subject": f"member/{member.pk}"})
    found = orjson.loads(text)
    rows = {name: found[name] or [] for name in ("entries", "lots", "draws", "holds", "events")}
    counted = [*(found["purchases"] or []), *(found["refunds"] or [])]
    return Seen(text, found["account"], **rows, silent=sum(row["entry_id"] is None for row in counted))


def hold_true(seen: Seen) -> None:
    """What is so at every moment, whatever was done."""
    entries_make_the_account(seen)
    lots_make_the_balance(seen)
    the_journal_makes_the_lots(seen)
    holds_make_what_is_held(seen)
    nothing_due_is_overlooked(seen)
    every_entry_is_told(seen)


def entries_make_the_account(seen: Seen) -> None:
    """Each sums to zero, together they are the account; no version is skipped; each knows the balance it left."""
    for entry in seen.entries:
        assert sum(entry[name] for name in COMPONENTS) - 2 * entry["debt"] + entry["contra"] == 0, entry
    assert seen.balance == tuple(sum(entry[name] for entry in seen.entries) for name in COMPONENTS)
    assert min(seen.balance) >= 0
    assert not (seen.account and seen.account["available"] and seen.account["debt"]), "points beside a debt"
    versions = [entry["version"] for entry in seen.entries]
    assert versions == sorted(set(versions))
    assert not seen.account or seen.account["version"] == len(versions) + seen.silent
    assert seen.silent or versions == list(range(1, len(versions) + 1))
    after = accumulate(entry["available"] for entry in seen.entries)
    assert [entry["available_after"] for entry in seen.entries] == list(after)
    posted = [entry["created_at"] for entry in seen.entries]
    assert posted == sorted(posted)


def lots_make_the_balance(seen: Seen) -> None:
    """What lies in lots is what is available and pending, what is held of them is what is held."""
    available, pending, held, _debt = seen.balance
    assert sum(lot["remaining"] for lot in seen.lots) == available + pending
    assert sum(lot["remaining"] for lot in seen.lots if lot["is_pending"]) == pending
    assert sum(lot["held"] for lot in seen.lots) == held
    assert all(lot["remaining"] >= 0 and lot["held"] >= 0 for lot in seen.lots)
    assert all(lot["remaining"] + lot["held"] <= lot["earned"] for lot in seen.lots)


def the_journal_makes_the_lots(seen: Seen) -> None:
    """A lot is what it earned and all that was drawn since; an entry moves what it draws and what it gave a lot."""
    drawn, held, by_entry = Counter(), Counter(), defaultdict(Counter)
    for draw in seen.draws:
        drawn[draw["lot_id"]] += draw["remaining"]
        held[draw["lot_id"]] += draw["held"]
        by_entry[draw["entry_id"]].update(remaining=draw["remaining"], held=draw["held"])
    given = {lot["entry_id"]: lot["earned"] for lot in seen.lots}
    for lot in seen.lots:
        assert lot["remaining"] == lot["earned"] + drawn[lot["entry_id"]], lot
        assert lot["held"] == held[lot["entry_id"]], lot
    for entry in seen.entries:
        moved = given.get(entry["id"], 0) + by_entry[entry["id"]]["remaining"]
        assert moved == entry["available"] + entry["pending"], entry
        assert by_entry[entry["id"]]["held"] == entry["held"], entry


def holds_make_what_is_held(seen: Seen) -> None:
    """Open holds add up to what is held; each entry that holds has its hold."""
    assert sum(hold["points"] for hold in seen.holds if hold["state"] == "held") == seen.balance[2]
    assert [hold["entry_id"] for hold in seen.holds] == sorted(e["id"] for e in seen.entries if e["kind"] == "held")


def nothing_due_is_overlooked(seen: Seen) -> None:
    """No hold ends, no lot ends or opens before the account says that something is due."""
    ends = [hold["expires_at"] for hold in seen.holds if hold["state"] == "held"]
    for lot in seen.lots:
        if lot["remaining"]:
            ends += [lot["expires_at"], lot["available_at"] if lot["is_pending"] else None]
    if first := min(filter(None, ends), default=None):
        assert seen.account["due_at"], "something will be due and nobody looks"
        assert seen.account["due_at"] <= first


def every_entry_is_told(seen: Seen) -> None:
    """In their order, one event each, with the balance the entry left."""
    told = [event for event in seen.events if event["type"].startswith("points.")]
    assert [event["sequence"] for event in seen.events] == list(range(1, len(seen.events) + 1))
    assert [event["type"] for event in told] == [f"points.{entry['kind']}" for entry in seen.entries]
    sums = zip(*(accumulate([entry[name] for entry in seen.entries]) for name in COMPONENTS), strict=True)
    for event, entry, left in zip(told, seen.entries, sums, strict=True):
        assert event["data"]["entry"]["id"] == entry["id"]
        assert event["data"]["balance"] == {**dict(zip(COMPONENTS, left, strict=True)), "version": entry["version"]}


def agree(seen: Seen, books: Books) -> None:
    """The database holds what the books hold: every entry with what it drew, every lot, every hold."""
    same(_entries(seen), books.entries)
    same([_lot(row) for row in seen.lots], books.lots)
    holds = {n: books.holds[n] for n in sorted(books.holds)}
    closed = [Hold(hold.expires_at, hold.points, {}, hold.state, hold.captured) for hold in holds.values()]
    same([_hold(row) for row in seen.holds], closed)
    assert seen.balance == books.balance


def same(found: list, kept: list) -> None:
    """Fails with the first that differ."""
    for n, (one, other) in enumerate(zip_longest(found, kept)):
        assert one == other, f"number {n} is\n{one}, in the books\n{other}"


def _entries(seen: Seen) -> list[Made]:
    place = {lot["entry_id"]: n for n, lot in enumerate(seen.lots)}
    draws = defaultdict(dict)
    for draw in seen.draws:
        of_entry, lot = draws[draw["entry_id"]], place[draw["lot_id"]]
        remaining, held = of_entry.get(lot, (0, 0))
        of_entry[lot] = remaining + draw["remaining"], held + draw["held"]
    made = []
    for row in seen.entries:
        drew = {lot: moved for lot, moved in draws[row["id"]].items() if moved != (0, 0)}
        made.append(Made(row["kind"], row["contra_kind"], tuple(row[name] for name in COMPONENTS), drew))
    return made


def _lot(row: dict) -> Lot:
    later = row["available_at"] if row["is_pending"] else None
    times = {"expires_at": _time(row["expires_at"]), "available_at": _time(later), "graced": bool(row["graced_at"])}
    return Lot(row["earned"], row["remaining"], pending=row["is_pending"], held=row["held"], **times)


def _hold(row: dict) -> Hold:
    return Hold(_time(row["expires_at"]), row["points"], {}, row["state"], row["captured"])


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None

"""Posting points: what PostgreSQL can do at most, what we do, and what would be written first.

Eight clients, on accounts spread by chance and on one hot account. The floor is pgbench calling the function that
`ledger.post` calls; the minimal one a function with a balance row and an entry, no lots, no time.
"""

from functools import partial

from loyalty import ledger
from tests.bench import hordak_works, pgbench
from tests.bench.clients import Clients
from tests.bench.frame import SCALE, Figure, held, interleaved, scaled
from tests.bench.ledger_data import MEMBER, check, execute, fill

ROUNDS = 7
HOW = f"medians of {ROUNDS} rounds"
SECONDS = 1.9 if SCALE == 1 else max(0.1, 2 * SCALE)
FLOOR, FLOOR_MIX = "pgbench, the function of post", "pgbench, the same, earning and spending"
MINIMAL = "pgbench, minimal function without lots"
HORDAK = "django-hordak, transfer_to"
NAMES = {
    "post": "ledger.post",
    "mix": "ledger.post, earning and spending",
    "event": "ledger.post with its event",
    "act_of_one": "ledger.post with its event, an act of its own",
    "many": "ledger.post_many, 3,000 a call",
    "orm": "Django ORM, select_for_update",
    "orm_mix": "Django ORM, earning and spending",
}
TARGETS = {  # work → (spread, hot) against the floor; (spread, hot) against the ORM
    "post": ((0.75, 0.8), (5, 5)),
    "event": ((0.5, 0.5), None),
    "many": ((4, 4), None),
}

CLIENTS = ("ledger", "ledger", "hordak")  # whose: the memory that thousands at once leave behind is not for all to bear

MINIMAL_SQL = """
CREATE TABLE bench_balance (member uuid PRIMARY KEY, balance bigint NOT NULL CHECK (balance >= 0));
CREATE TABLE bench_entry (
    id uuid PRIMARY KEY, member uuid NOT NULL, reference text NOT NULL UNIQUE, points bigint NOT NULL,
    balance_after bigint NOT NULL, created_at timestamptz NOT NULL DEFAULT clock_timestamp());
INSERT INTO bench_balance SELECT id, 0 FROM members_member;
CREATE FUNCTION bench_post(p_id uuid, p_member uuid, p_reference text, p_points bigint) RETURNS bigint
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    v_after bigint;
BEGIN
    UPDATE bench_balance SET balance = balance + p_points WHERE member = p_member RETURNING balance INTO v_after;
    INSERT INTO bench_entry (id, member, reference, points, balance_after)
    VALUES (p_id, p_member, p_reference, p_points, v_after);
    RETURN v_after;
END $$;
"""
MINIMAL_CALL = "SELECT bench_post(uuidv7(), {member}, gen_random_uuid()::text, 1);"


def measure() -> list[Figure]:
    """All figures; raises DoesNotAddUp when the ledger is wrong at the end."""
    accounts = scaled(20_000, 50)
    fill(accounts)
    execute(MINIMAL_SQL)
    hordak_works.fill(accounts)
    ours, bulk, hordaks = (Clients(f"tests.bench.{name}_works", ACCOUNTS=accounts) for name in CLIENTS)
    with ours, bulk, hordaks:
        medians = interleaved(dict(_works(ours, bulk, hordaks, accounts)), ROUNDS)
    check()
    return [figure for place in ("spread", "hot") for figure in _figures(medians, place)]


def _works(ours: Clients, bulk: Clients, hordaks: Clients, accounts: int):
    """Each beside what it is compared with: the machine's moods last longer than a work."""
    clients = {"many": bulk, "transfer": hordaks}
    for place, choice in (("spread", f"\\set n random(1, {accounts})\n"), ("hot", "\\set n 1\n")):

        def by(work: str, name: str, place=place):
            full = work if place == "spread" else f"{work}_hot"
            return f"{name}, {place}", partial(clients.get(work, ours).rate, full, SECONDS)

        yield f"{FLOOR}, {place}", partial(_floor, choice, _call(1))
        for work in ("post", "event", "many", "orm"):
            yield by(work, NAMES[work])
        yield f"{MINIMAL}, {place}", partial(_floor, choice, MINIMAL_CALL.format(member=MEMBER))
        yield by("transfer", HORDAK)
        if place == "spread":  # a bench has five minutes
            yield f"{FLOOR_MIX}, {place}", partial(_floor, choice, _call(1) + choice + _call(-1), 2)
            for work in ("mix", "orm_mix", "act_of_one"):
                yield by(work, NAMES[work])


def _floor(choice: str, script: str, postings: int = 1) -> float:
    return pgbench.rate(choice + script, SECONDS) * postings


def _call(points: int) -> str:
    """The statement of `ledger.post` with pgbench's variables, and an id in the order of time as `post` makes it."""
    kind, contra = ("earned", ledger.ISSUED) if points > 0 else ("spent", ledger.REDEEMED)
    what = [MEMBER, "uuidv7()", f"'{kind}'", f"({points})::bigint", *["0::bigint"] * 3]
    named = [f"'{contra}'", "'bench'", "gen_random_uuid()::text", "''", *["NULL"] * 7, "FALSE"]
    named += ["NULL"] * len(ledger.UNTOLD)
    return ledger.POST.replace("\n", " ") % (*what, *named) + ";\n"


def _figures(medians: dict[str, float], place: str):
    floor, orm = f"{FLOOR}, {place}", f"{NAMES['orm']}, {place}"
    floor_mix = f"{FLOOR_MIX}, {place}"
    n = ("spread", "hot").index(place)
    yield held(f"{MINIMAL}, {place}", medians, floor)
    yield held(floor, medians, f"{MINIMAL}, {place}", 0.4)
    for work in ("post", "event", "many"):
        against_floor, against_orm = TARGETS[work]
        yield held(f"{NAMES[work]}, {place}", medians, floor, against_floor[n])
        if against_orm:
            yield held(f"{NAMES[work]}, {place}", medians, orm, against_orm[n])
    yield held(orm, medians, floor)
    yield held(f"{HORDAK}, {place}", medians, floor)
    if place == "spread":
        yield held(f"{NAMES['act_of_one']}, {place}", medians, floor, TARGETS["event"][0][n])
        yield held(floor_mix, medians, floor)
        yield held(f"{NAMES['mix']}, {place}", medians, floor_mix)
        yield held(f"{NAMES['mix']}, {place}", medians, f"{NAMES['orm_mix']}, {place}")
        yield held(f"{NAMES['orm_mix']}, {place}", medians, floor_mix)

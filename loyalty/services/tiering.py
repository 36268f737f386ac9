"""Tiers: up at once, kept for a time, reviewed when it is over; down at once where a refund took away what counted.

Every rise, fall and renewal leaves a TierChange with the numbers that decided it. What counts is in
`loyalty/counted.py`, what follows from it in `loyalty/rules/tiers.py`; here is who is judged when.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import pairwise
from uuid import UUID

from django.db import connection
from django.db.models import F, QuerySet

from loyalty import counted, standing
from loyalty.models import Account, Bonus, Purchase, TierChange
from loyalty.rules.tiers import Ladder, Standing
from members.models import Member
from sync import clock, events
from sync.act import SYSTEM, Actor, act
from sync.clock import Clock
from sync.http import instant

Cause = TierChange.Cause
GONE = {Member.Status.MERGED, Member.Status.ERASED}  # what counts on their accounts gives nobody a tier
LOOKED_BACK = 50  # changes of a tier: more than one account sees while a tier lasts

WRITE = """
UPDATE loyalty_account a SET tier_id = n.tier, tier_since = n.since, tier_until = n.until, is_in_grace = n.is_in_grace,
    version = a.version + n.more, updated_at = clock_timestamp()
FROM unnest(%s::uuid[], %s::bigint[], %s::timestamptz[], %s::timestamptz[], %s::boolean[], %s::bigint[])
    AS n(id, tier, since, until, is_in_grace, more)
WHERE a.id = n.id
"""


@dataclass(frozen=True)
class Numbers:
    """What decided: so much counted within that time."""

    qualify_by: str
    qualifying: int
    counted_from: datetime
    counted_to: datetime
    threshold: int | None = None  # None: what the tier takes today


@dataclass(frozen=True)
class Judgement:
    """How a locked account stands from now on, and why. `more` makes a new version; `since` is now if not said."""

    account: Account
    after: Standing
    numbers: Numbers
    cause: str
    more: int = 1
    since: datetime | None = None


@act
def judge(account: UUID, *, by: Actor, cause: str = Cause.REACHED, in_version: bool = False) -> TierChange | None:
    """Set the tier that an account is due by what counts now; None when it neither rose nor fell nor was renewed.

    A part of the act that changed what counts; it has locked the member. `in_version`: that act has raised the
    account's version already. After a refund say `Cause.REFUNDED`: then the tier falls at once if the time that
    decided it no longer reaches its threshold, to what still holds. Otherwise nothing falls before its review.
    """
    rows = Account.objects.select_related("tier").annotate(status=F("member__status"))
    held = rows.select_for_update(of=["self"], no_key=True).get(pk=account)
    if held.status in GONE:
        return None
    ladder = standing.ladder_now()  # after the lock: its time decides
    numbers = _numbers(ladder, counted.total(held.pk, by=ladder.terms.qualify_by, since=ladder.since))
    after = ladder.judged(standing.standing_of(held), numbers.qualifying)
    if cause == Cause.REFUNDED:
        after, numbers = _after_refund(held, ladder, after, numbers)
    return write(ladder, [Judgement(held, after, numbers, cause, more=not in_version)], by)[0]


def judge_due(batch: int = 1_000) -> int:
    """Review every tier whose time or grace is over; returns how many.

    May be run again, beside itself, or killed: each batch is an act of its own, and who was judged is no longer due.
    An account that somebody holds is left for the next run.
    """
    done = 0
    while judged := _judge_batch(batch):
        done += judged
    return done


@act
def _judge_batch(batch: int) -> int:
    due = Account.objects.filter(tier_until__lte=clock.now()).select_related("tier").order_by("tier_until")
    held = list(due.select_for_update(of=["self"], no_key=True, skip_locked=True)[:batch])
    if held:
        ladder = standing.ladder_now()
        sums = counted.sums([each.pk for each in held], by=ladder.terms.qualify_by, since=ladder.since)
        write(ladder, [_reviewed(account, ladder, sums.get(account.pk, 0)) for account in held], SYSTEM)
    return len(held)


def _reviewed(account: Account, ladder: Ladder, qualifying: int) -> Judgement:
    after = ladder.judged(standing.standing_of(account), qualifying)
    return Judgement(account, after, _numbers(ladder, qualifying), Cause.REVIEWED)


def _after_refund(account: Account, ladder: Ladder, after: Standing, numbers: Numbers) -> tuple[Standing, Numbers]:
    """A tier that counts for more than there is now stays while the decision that gave it holds.

    Else what an earlier decision gave, where that one holds and lasts; else what counts now gives.
    """
    reached = ladder.reached(numbers.qualifying)
    if after.tier is None or not ladder.is_higher(after.tier, reached):
        return after, numbers
    decisions = list(account.tier_changes.select_related("before", "after").order_by("-at", "-id")[:LOOKED_BACK])
    if not decisions or _still(decisions[0]):
        return after, numbers
    for change in _not_ended(decisions, ladder):
        lasts = change.until is not None and change.until > ladder.now and ladder.is_higher(change.after, reached)
        if lasts and (held := _still(change)):
            return Standing(change.after, change.until), held
    return ladder.given(reached), numbers


def _not_ended(decisions: list[TierChange], ladder: Ladder) -> Iterator[TierChange]:
    """The decisions before the last, back to the last fall: it ended what was before."""
    for later, change in pairwise(decisions):
        if later.before and ladder.is_higher(later.before, later.after):
            return
        yield change


def _still(change: TierChange) -> Numbers | None:
    """The numbers by which a decision holds after all refunds since; None when it no longer does."""
    counted_in = {"by": change.qualify_by, "since": change.counted_from, "received_to": change.counted_to}
    was = Numbers(change.qualify_by, change.qualifying, change.counted_from, change.counted_to, change.threshold)
    if change.qualifying < change.threshold:  # given by a merge, not reached: no refund takes it
        return was
    now = counted.total(change.account_id, **counted_in)
    return replace(was, qualifying=now) if now >= change.threshold else None


def join(source: Account, target: Account, *, by: Actor) -> dict:
    """Make the source's purchases and bonuses the target's, which is due at least the source's tier, for as long.

    A part of a merge: members and accounts are locked, `source` and `target` as they stand. Returns the journal that
    `part` takes.
    """
    journal = {
        "purchases": _handed(Purchase.objects.filter(account=source), target),
        "bonuses": _handed(Bonus.objects.filter(account=source), target),
        "source": _kept(source),
        "target": _kept(target),
    }
    close(source)
    ladder = standing.ladder_now()
    numbers = _numbers(ladder, counted.total(target.pk, by=ladder.terms.qualify_by, since=ladder.since))
    owed = ladder.better(standing.standing_of(target), standing.standing_of(source))
    after = ladder.judged(owed, numbers.qualifying)
    since = source.tier_since if after == owed and after.tier == source.tier != target.tier else None
    write(ladder, [Judgement(target, after, numbers, Cause.MERGED, since=since)], by)
    target.refresh_from_db()
    return journal | {"joined": _kept(target)}


def part(source: Account, target: Account, journal: dict, *, by: Actor) -> None:
    """Undo `join`: what came with the source goes back to it, what was bought since stays.

    Both tiers are what they were, as long as the target's is still the one that joining gave; else it stays. Then
    each is judged by what counts on it.
    """
    Purchase.objects.filter(pk__in=journal["purchases"], account=target).update(account=source)
    Bonus.objects.filter(pk__in=journal["bonuses"], account=target).update(account=source)
    as_joined = _kept(target) == journal["joined"]
    _restore(source, journal["source"], by)
    _restore(target, journal["target"] if as_joined else _kept(target), by)


def close(account: Account) -> None:
    """Take an account's tier away without a word: its member is gone into another, or erased."""
    nothing = {"tier": None, "tier_since": None, "tier_until": None, "is_in_grace": False}
    Account.objects.filter(pk=account.pk).update(**nothing, version=F("version") + 1, updated_at=Clock())


def _restore(account: Account, kept: dict, by: Actor) -> None:
    ladder = standing.ladder_now()
    since, until = (kept[name] and datetime.fromisoformat(kept[name]) for name in ("since", "until"))
    tier = next((each for each in ladder.tiers if each.pk == kept["tier"]), None)
    numbers = _numbers(ladder, counted.total(account.pk, by=ladder.terms.qualify_by, since=ladder.since))
    was = Standing(tier, until, kept["is_in_grace"])
    after = ladder.judged(was, numbers.qualifying)
    write(ladder, [Judgement(account, after, numbers, Cause.PARTED, since=since if after == was else None)], by)


def _handed(rows: QuerySet, target: Account) -> list:
    """Give rows to another account, whatever they were first; returns their keys."""
    keys = list(rows.order_by("pk").values_list("pk", flat=True))
    rows.model.objects.filter(pk__in=keys).update(account=target)
    return [key if isinstance(key, int) else str(key) for key in keys]


def _kept(account: Account) -> dict:
    """An account's tier for a journal."""
    since, until = (time and time.isoformat() for time in (account.tier_since, account.tier_until))
    return {"tier": account.tier_id, "since": since, "until": until, "is_in_grace": account.is_in_grace}


def _numbers(ladder: Ladder, qualifying: int) -> Numbers:
    return Numbers(ladder.terms.qualify_by, qualifying, ladder.since, ladder.now)


def write(ladder: Ladder, judgements: list[Judgement], by: Actor) -> list[TierChange | None]:
    """Set what was judged in one statement; keep and tell what changed, None where neither tier nor time did."""
    rows = [_row(each, ladder) for each in judgements]
    with connection.cursor() as cursor:
        cursor.execute(WRITE, [list(column) for column in zip(*rows, strict=True)])
    changes = [_change(each, ladder) for each in judgements]
    TierChange.objects.bulk_create([each for each in changes if each])
    for change in filter(None, changes):
        if change.before_id != change.after_id:
            told = {"from": change.before and change.before.code, "to": change.after.code, "at": instant(change.at)}
            events.record("tier.changed", subject=events.of_member(change.account.member_id), data=told, by=by)
    return changes


def _row(judged: Judgement, ladder: Ladder) -> tuple:
    """As WRITE takes it: an account keeps the day of its tier while the tier stays."""
    account, after = judged.account, judged.after
    since = judged.since or (ladder.now if after.tier != account.tier else account.tier_since)
    tier = after.tier and after.tier.pk
    return account.pk, tier, tier and since, after.until, after.is_in_grace, int(judged.more)


def _change(judged: Judgement, ladder: Ladder) -> TierChange | None:
    before, after, numbers = judged.account.tier or ladder.lowest, judged.after, judged.numbers
    is_other = after.tier != before
    is_renewed = after != standing.standing_of(judged.account) and not after.is_in_grace
    if after.tier is None or not (is_other or is_renewed):
        return None
    threshold = ladder.threshold(after.tier) if numbers.threshold is None else numbers.threshold
    return TierChange(
        account=judged.account,
        before=before,
        after=after.tier,
        cause=judged.cause,
        qualify_by=numbers.qualify_by,
        qualifying=numbers.qualifying,
        threshold=threshold or 0,
        counted_from=numbers.counted_from,
        counted_to=numbers.counted_to,
        until=after.until,
        at=ladder.now,
    )

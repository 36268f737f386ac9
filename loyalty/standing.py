"""How a member stands: the tier, why it is this one, and what happens when its time is over."""

from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import Exists, OuterRef, Q
from django.db.models.functions import JSONObject
from django.utils import timezone

from loyalty import counted
from loyalty.counted import Listed
from loyalty.models import Account, Benefit, Bonus, Programme, Purchase, Tier, TierChange
from loyalty.rules.tiers import Ladder, Standing
from members.models import Member
from sync.clock import Clock
from sync.http import instant

MOST = 200  # purchases and bonuses told one by one

BENEFITS = Benefit.objects.filter(tier=OuterRef("pk")).values(told=JSONObject(code="code", name="name", value="value"))


@dataclass(frozen=True)
class Outlook:
    """What a review decides if nothing more is counted: renewed, borne for a while (and then `to`), or fallen."""

    at: datetime
    still_counted: int
    threshold: int
    outcome: str  # renewed, grace, falls; rises where thresholds were lowered
    to: Tier
    grace_until: datetime | None = None


@dataclass(frozen=True)
class Why:
    """All that explains a tier; the amounts are fen or growth, as `ladder.terms` count."""

    account: Account
    ladder: Ladder
    tier: Tier
    listed: Listed
    last: TierChange | None
    outlook: Outlook | None

    @property
    def threshold(self) -> int | None:
        return self.ladder.threshold(self.tier)

    @property
    def above(self) -> Tier | None:
        return self.ladder.above(self.tier, self.listed.total)

    @property
    def missing(self) -> int | None:
        """To the next tier."""
        return self.above and self.ladder.threshold(self.above) - self.listed.total


def ladder_now() -> Ladder:
    """The tiers with their benefits and the terms, as of the database's time at this moment."""
    tiers = list(Tier.objects.annotate(given=ArraySubquery(BENEFITS), now=Clock()))
    return Ladder(tiers, Programme.current(), tiers[0].now if tiers else timezone.now())


def standing_of(account: Account) -> Standing:
    """How the account stands by its own columns."""
    return Standing(account.tier, account.tier_until, account.is_in_grace)


def has_any(member: UUID) -> bool:
    """Whether the member has anything that counts towards a tier, or a tier that it takes something to reach."""
    mine = Account.objects.filter(member=member)
    worth = Q(tier__threshold_fen__gt=0) | Exists(Purchase.objects.filter(account=OuterRef("pk")))
    return mine.filter(worth | Exists(Bonus.objects.filter(account=OuterRef("pk"), growth__gt=0))).exists()


def as_tier(account: Account) -> dict | None:
    """The tier of the contract (`me/points`); None when there are no tiers. `account.tier` is best fetched along."""
    ladder = ladder_now()
    tier = _rung(account, ladder)
    if tier is None:
        return None
    by = ladder.terms.qualify_by
    return _as_tier(account, ladder, tier, counted.total(account.pk, by=by, since=ladder.since))


def why(member: UUID) -> dict | None:
    """Why the member is in this tier, in numbers that add up; None when there are no tiers. Raises Member.DoesNotExist.

    Σ `items` + `rest` = `total` = `tier.qualifying`; all amounts are fen, or growth where growth counts.
    """
    told = explain(account_of(member))
    if told is None:
        return None
    return {
        "tier": _as_tier(told.account, told.ladder, told.tier, told.listed.total),
        "threshold": told.threshold or 0,
        "counted": _as_counted(told),
        "last_change": told.last and _as_change(told.last),
        "review": told.outlook and _as_review(told.account, told.outlook),
    }


def account_of(member: UUID) -> Account:
    """The member's account with its tier; an empty one, not kept, before there is any."""
    found = Member.objects.select_related("account__tier").defer("phone", "email").get(pk=member)
    return getattr(found, "account", None) or Account(member=found)


def explain(account: Account) -> Why | None:
    """What explains an account's tier; None when there are no tiers."""
    ladder = ladder_now()
    tier = _rung(account, ladder)
    if tier is None:
        return None
    listed = counted.listed(account.pk, by=ladder.terms.qualify_by, since=ladder.since, most=MOST)
    last = account.tier_changes.select_related("before", "after").order_by("-at", "-id").first()
    return Why(account, ladder, tier, listed, last, _outlook(account, ladder))


def _outlook(account: Account, ladder: Ladder) -> Outlook | None:
    """The next review, decided by what is there today."""
    standing = standing_of(account)
    if standing.until is None:
        return None
    then, still = _then(account, ladder, standing.until)
    threshold = ladder.threshold(standing.tier) or 0
    after = then.judged(standing, still)
    if after.is_in_grace:
        to = _reached_at(account, ladder, after.until)
        return Outlook(standing.until, still, threshold, "grace", to, after.until)
    outcome = "renewed" if after.tier == standing.tier else "falls"
    if then.is_higher(after.tier, standing.tier):
        outcome = "rises"
    return Outlook(standing.until, still, threshold, outcome, after.tier)


def _then(account: Account, ladder: Ladder, at: datetime) -> tuple[Ladder, int]:
    """The ladder of a later moment, and what of today will count then."""
    later = replace(ladder, now=max(at, ladder.now))
    return later, counted.total(account.pk, by=ladder.terms.qualify_by, since=later.since)


def _reached_at(account: Account, ladder: Ladder, at: datetime) -> Tier:
    later, still = _then(account, ladder, at)
    return later.reached(still)


def _rung(account: Account, ladder: Ladder) -> Tier | None:
    """The account's tier as the ladder has it; the lowest before there is any."""
    return next((tier for tier in ladder.tiers if tier.pk == account.tier_id), ladder.lowest)


def _as_tier(account: Account, ladder: Ladder, tier: Tier, qualifying: int) -> dict:
    above = ladder.above(tier, qualifying)
    return {
        "code": tier.code,
        "name": tier.name,
        "since": instant(account.tier_since or account.member.created_at),
        "until": instant(account.tier_until),
        "qualifying": qualifying,
        "next": above and {"code": above.code, "missing": ladder.threshold(above) - qualifying},
        "benefits": tier.given,
    }


def _as_counted(told: Why) -> dict:
    listed, ladder = told.listed, told.ladder
    return {
        "by": ladder.terms.qualify_by,
        "from": instant(ladder.since),
        "to": instant(ladder.now),
        "items": [
            {
                "kind": item.kind,
                "number": item.number,
                "channel": item.channel,
                "at": instant(item.at),
                "gained": item.gained,
                "lost": item.lost,
                "counted": item.counted,
            }
            for item in listed.items
        ],
        "rest": {"items": listed.rest_number, "counted": listed.rest},
        "total": listed.total,
    }


def _as_change(change: TierChange) -> dict:
    return {
        "from": change.before and change.before.code,
        "to": change.after.code,
        "at": instant(change.at),
        "cause": change.cause,
        "by": change.qualify_by,
        "counted_from": instant(change.counted_from),
        "counted_to": instant(change.counted_to),
        "qualifying": change.qualifying,
        "threshold": change.threshold,
        "until": instant(change.until),
    }


def _as_review(account: Account, outlook: Outlook) -> dict:
    return {
        "at": instant(outlook.at),
        "in_grace": account.is_in_grace,
        "still_counted": outlook.still_counted,
        "threshold": outlook.threshold,
        "outcome": outlook.outcome,
        "to": outlook.to.code,
        "grace_until": instant(outlook.grace_until),
    }

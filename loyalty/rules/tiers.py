"""Which tier a sum reaches, how long it lasts and what a review decides, pure. Days end at midnight in Shanghai."""

from calendar import monthrange
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils import timezone

from loyalty.models import Programme, Tier

DAY = timedelta(days=1)


@dataclass(frozen=True)
class Standing:
    """The tier an account is in, when it is looked at again (None: never), and whether it is only borne until then."""

    tier: Tier | None
    until: datetime | None = None
    is_in_grace: bool = False


@dataclass(frozen=True)
class Ladder:
    """The tiers, lowest first, by the terms in force at a moment."""

    tiers: Sequence[Tier]
    terms: Programme
    now: datetime

    @property
    def lowest(self) -> Tier | None:
        """The tier of whoever has reached nothing; it never ends."""
        return self.tiers[0] if self.tiers else None

    @property
    def since(self) -> datetime:
        """From when on counts what counts now."""
        return self.counted_from(self.now)

    def counted_from(self, at: datetime) -> datetime:
        """From when on counts what counts at that time: the beginning of that day so many months before."""
        return _midnight(months_later(timezone.localtime(at), -self.terms.window_months))

    def threshold(self, tier: Tier) -> int | None:
        """What it takes, in fen or in growth; None for a tier that growth does not lead to."""
        if self.terms.qualify_by == Programme.QualifyBy.SPEND:
            return tier.threshold_fen
        return 0 if tier.threshold_growth is None and tier == self.lowest else tier.threshold_growth

    def reached(self, qualifying: int) -> Tier | None:
        """The highest tier whose threshold is met; the lowest in any case, None when there are no tiers."""
        met = [tier for tier in self.tiers if self.threshold(tier) is not None and self.threshold(tier) <= qualifying]
        return met[-1] if met else self.lowest

    def above(self, tier: Tier, qualifying: int) -> Tier | None:
        """The next tier higher than this one that the sum has not reached; None at the top."""
        higher = (each for each in self.tiers if self.is_higher(each, tier) and self.threshold(each) is not None)
        return next((each for each in higher if self.threshold(each) > qualifying), None)

    def is_higher(self, tier: Tier, than: Tier) -> bool:
        """Tiers rank by spending, whatever leads to them."""
        return tier.threshold_fen > than.threshold_fen

    def lasts(self, tier: Tier, since: datetime) -> datetime | None:
        """When a tier given at that time is looked at again."""
        if tier == self.lowest:
            return None
        return _midnight(months_later(timezone.localtime(since), self.terms.tier_months)) + DAY

    def given(self, tier: Tier) -> Standing:
        """The standing of somebody who gets this tier now."""
        return Standing(tier, self.lasts(tier, self.now))

    def better(self, one: Standing, other: Standing) -> Standing:
        """What somebody is due who was both: the higher tier, for as long as either lasts; of equals the longer."""
        if other.tier is None or other.tier == self.lowest:
            return one
        if one.tier is None or one.tier == self.lowest:
            return other
        best = [each for each in (one, other) if not self.is_higher(max(one, other, key=_rank).tier, each.tier)]
        until = max((each.until for each in (one, other) if each.until), default=None)
        return Standing(best[0].tier, until, is_in_grace=all(each.is_in_grace for each in best))

    def judged(self, standing: Standing, qualifying: int) -> Standing:
        """How an account stands with such a sum now; the same when nothing is to change.

        Up at once. When its time is over the tier is renewed from that day on, or borne for the days of grace, and
        then falls to what the sum gives. Reaching it again within the grace renews it from now on.
        """
        tier, reached = standing.tier or self.lowest, self.reached(qualifying)
        if tier is None or (standing.until is None and tier == self.lowest == reached):
            return standing
        if self.is_higher(reached, tier) or (standing.until is None and tier != self.lowest):
            return self.given(max(reached, tier, key=lambda each: each.threshold_fen))
        is_over = standing.until is not None and standing.until <= self.now
        if reached == tier and (is_over or standing.is_in_grace):
            return Standing(tier, self.lasts(tier, self.now if standing.is_in_grace else standing.until))
        if not is_over:
            return standing
        if self.terms.tier_grace_days and not standing.is_in_grace:
            return Standing(tier, self.grace_over(standing.until), is_in_grace=True)
        return self.given(reached)

    def grace_over(self, until: datetime) -> datetime:
        """When a tier whose time is over falls."""
        return until + self.terms.tier_grace_days * DAY


def months_later(local: datetime, months: int) -> datetime:
    """The same day so many months later, or the last day of a month that is shorter."""
    years, month = divmod(local.month - 1 + months, 12)
    year = local.year + years
    return local.replace(year=year, month=month + 1, day=min(local.day, monthrange(year, month + 1)[1]))


def _rank(standing: Standing) -> int:
    return standing.tier.threshold_fen


def _midnight(local: datetime) -> datetime:
    return local.replace(hour=0, minute=0, second=0, microsecond=0)

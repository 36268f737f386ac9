"""Why a member is in a tier, in words for staff: what counted, what it took, what comes next. The figures add up."""

from datetime import datetime, timedelta

from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import gettext as _

from loyalty import standing
from loyalty.counted import Item
from loyalty.models import Account, EarnRule, Programme, TierChange
from loyalty.standing import Why
from sync.admin.shown import EMPTY, moment, yuan

FEW = 10  # parts shown one by one; what follows is one line
MOMENT = timedelta(microseconds=1)


def of_account(account: Account) -> dict | None:
    """The panel of an account's page; None when there are no tiers."""
    told = standing.explain(account)
    if told is None:
        return None
    shown = told.listed.items[:FEW]
    is_spending = told.ladder.terms.qualify_by == Programme.QualifyBy.SPEND
    gained, lost = (_("Amount paid"), _("Refunded")) if is_spending else (_("Gained"), _("Taken back"))
    return {
        "title": _("Why this tier"),
        "figures": [_tier(told), _counted(told), _next(told), _until(told)],
        "lines": [_last(told.last)] if told.last else [],
        "headers": [_("Kind"), _("Number"), _("Channel"), _("Time"), gained, lost, _("Counts")],
        "rows": [_part(item, told.ladder.terms.qualify_by) for item in shown],
        "sums": _sums(told, shown),
    }


def amount(value: int, by: str) -> str:
    """Yuan, or growth as a number."""
    return yuan(value) if by == Programme.QualifyBy.SPEND else f"{value:,}"


def day(at: datetime | None) -> str:
    """A day in Shanghai."""
    return timezone.localtime(at).strftime("%Y-%m-%d") if at else EMPTY


def last_day(until: datetime | None) -> str:
    """The last day of a time that ends at midnight."""
    return day(until and until - MOMENT)


def _of(told: Why, value: int) -> str:
    return amount(value, told.ladder.terms.qualify_by)


# The figures
def _tier(told: Why) -> dict:
    lines = []
    if told.account.tier_since:
        lines.append(_("since %(day)s") % {"day": day(told.account.tier_since)})
    if threshold := told.threshold:
        lines.append(_("takes %(amount)s") % {"amount": _of(told, threshold)})
    lines += [" ".join(filter(None, [each["name"], each["value"]])) for each in told.tier.given]
    return {"label": _("Tier"), "value": told.tier.name, "lines": lines}


def _counted(told: Why) -> dict:
    terms = told.ladder.terms
    by = {
        Programme.QualifyBy.SPEND: _("paid less refunded"),
        Programme.QualifyBy.GROWTH: _("growth of orders and bonuses"),
    }
    named = {"day": day(told.ladder.since), "months": terms.window_months}
    since = _("since %(day)s (%(months)s months)")
    return {
        "label": _("Counts now"),
        "value": _of(told, told.listed.total),
        "lines": [since % named, by[terms.qualify_by]],
    }


def _next(told: Why) -> dict:
    if told.above is None:
        return {"label": _("Next tier"), "value": EMPTY, "lines": [_("This is the highest")]}
    takes = _("takes %(amount)s") % {"amount": _of(told, told.ladder.threshold(told.above))}
    missing = _("%(amount)s missing") % {"amount": _of(told, told.missing)}
    return {"label": _("Next tier"), "value": told.above.name, "lines": [takes, missing]}


def _until(told: Why) -> dict:
    if told.outlook is None:
        return {"label": _("Lasts until"), "value": EMPTY, "lines": [_("The lowest tier never ends")]}
    label = _("In grace until") if told.account.is_in_grace else _("Lasts until")
    return {"label": label, "value": last_day(told.outlook.at), "lines": _outlook(told)}


def _outlook(told: Why) -> list[str]:
    """What happens then if nothing more is bought."""
    then, terms = told.outlook, told.ladder.terms
    named = {"still": _of(told, then.still_counted), "missing": _of(told, max(then.threshold - then.still_counted, 0))}
    named |= {"tier": then.to.name, "days": terms.tier_grace_days, "day": last_day(then.grace_until)}
    still = _("%(still)s of today will still count then") % named
    if then.outcome == "renewed":
        return [still, _("enough: it is renewed")]
    if then.outcome == "rises":
        return [still, _("enough for %(tier)s") % named]
    short = _("%(missing)s short") % named
    if then.outcome == "grace":
        return [still, short, _("then kept in grace until %(day)s, then %(tier)s") % named]
    return [still, short, _("then it falls to %(tier)s") % named]


# The parts
def _part(item: Item, by: str) -> list:
    kind = _("Order") if item.kind == "order" else EarnRule.Kind(item.kind).label
    number = format_html("<code>{}</code>", item.number) if item.number else EMPTY
    lost = f"−{amount(item.lost, by)}" if item.lost else EMPTY
    return [
        kind,
        number,
        item.channel_name or EMPTY,
        moment(item.at),
        amount(item.gained, by),
        lost,
        amount(item.counted, by),
    ]


def _sums(told: Why, shown: list[Item]) -> list[list]:
    """What is not shown in one line, and the total."""
    listed = told.listed
    rest = listed.total - sum(item.counted for item in shown)
    lines = []
    if listed.number > len(shown):
        lines.append([_("%(number)s older") % {"number": listed.number - len(shown)}, *[""] * 5, _of(told, rest)])
    return [*lines, [_("Together"), *[""] * 5, _of(told, listed.total)]]


def _last(change: TierChange) -> str:
    """The last change and the numbers that decided it."""
    by = change.qualify_by
    named = {
        "time": moment(change.at)[:16],
        "cause": change.get_cause_display(),
        "before": change.before or EMPTY,
        "after": change.after,
        "counted": amount(change.qualifying, by),
        "threshold": amount(change.threshold, by),
        "from": day(change.counted_from),
        "to": day(change.counted_to),
    }
    renewed, changed = _("%(time)s %(after)s renewed (%(cause)s)"), _("%(time)s %(before)s → %(after)s (%(cause)s)")
    what = renewed if change.before_id == change.after_id else changed
    numbers = _("%(counted)s counted from %(from)s to %(to)s, it takes %(threshold)s")
    return f"{what % named} · {numbers % named}"

"""A balance explained: its figures with what each means, and the sums that must come to the same.

The figures and both sides of every sum come from one statement: no posting falls between them.
"""

from django.db import connection
from django.db.models import CharField, Q, Value
from django.db.models.functions import Cast, Concat
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _

from loyalty.admin.columns import COMPONENTS, count, days_left, last_day
from loyalty.models import Account, Lot, Programme
from sync.admin.shown import moment
from sync.models import Discrepancy

MOST = 5_000  # entries that are summed for a page; whoever has more is summed at night

ACCOUNT = """
SELECT a.available, a.pending, a.held, a.debt, a.version, coalesce(a.due_at <= clock_timestamp(), FALSE) AS is_due,
    l.*, h.*, e.*
FROM loyalty_account a
CROSS JOIN LATERAL (
    SELECT coalesce(sum(remaining), 0)::bigint AS in_lots,
        coalesce(sum(remaining) FILTER (WHERE is_pending), 0)::bigint AS in_pending_lots,
        coalesce(sum(held), 0)::bigint AS held_in_lots,
        coalesce(sum(remaining) FILTER (WHERE is_pending AND available_at IS NULL), 0)::bigint AS for_staff,
        min(available_at) FILTER (WHERE is_pending AND remaining > 0) AS next_at,
        coalesce(sum(remaining) FILTER (
            WHERE NOT is_pending AND expires_at > clock_timestamp()
                AND expires_at <= clock_timestamp() + make_interval(days => %(notice_days)s)), 0)::bigint AS expiring,
        min(expires_at) FILTER (
            WHERE NOT is_pending AND remaining > 0 AND expires_at > clock_timestamp()) AS first_to_expire
    FROM loyalty_lot WHERE account_id = a.id AND (remaining > 0 OR held > 0)
) l
CROSS JOIN LATERAL (
    SELECT coalesce(sum(points), 0)::bigint AS in_holds, count(*) AS holds, min(expires_at) AS lets_go_at
    FROM loyalty_hold WHERE account_id = a.id AND state = 'held'
) h
CROSS JOIN LATERAL (
    SELECT count(*) AS entries, coalesce(sum(available), 0)::bigint AS available_sum,
        coalesce(sum(pending), 0)::bigint AS pending_sum, coalesce(sum(held), 0)::bigint AS held_sum,
        coalesce(sum(debt), 0)::bigint AS debt_sum
    FROM loyalty_entry WHERE account_id = a.id AND a.version <= %(most)s
) e
WHERE a.id = %(key)s
"""
LOT = """
SELECT l.earned, l.remaining, l.held, d.*
FROM loyalty_lot l
CROSS JOIN LATERAL (
    SELECT coalesce(sum(-remaining) FILTER (WHERE remaining < 0), 0)::bigint AS taken,
        coalesce(sum(remaining) FILTER (WHERE remaining > 0), 0)::bigint AS returned,
        coalesce(sum(held) FILTER (WHERE held > 0), 0)::bigint AS set_aside,
        coalesce(-sum(held) FILTER (WHERE held < 0), 0)::bigint AS let_go,
        coalesce(-sum(remaining) FILTER (
            WHERE entry_id IN (SELECT id FROM loyalty_entry e WHERE e.kind = 'expired' AND e.account_id = l.account_id)
        ), 0)::bigint AS expired
    FROM loyalty_draw WHERE lot_id = l.entry_id
) d
WHERE l.entry_id = %(key)s
"""


def of_account(request, account: Account) -> dict:
    """Figures and sums of an account, and what was found wrong with it before."""
    terms = Programme.current()
    at = _asked(ACCOUNT, key=account.pk, notice_days=terms.notice_days, most=MOST)
    lines = {"available": _available(at, terms), "pending": _pending(at), "held": _held(at), "debt": _debt(at)}
    lots = account.lots.values_list(Concat(Value("lot/"), Cast("pk", CharField())))
    due = [_("Something here is due and is settled within a minute: until then it is still counted.")]
    return {
        "figures": [{"label": COMPONENTS[key], "value": count(at[key]), "lines": lines[key]} for key in COMPONENTS],
        "checks": _sums(at),
        "notes": due if at["is_due"] else [],
        "trouble": _trouble(request, f"account/{account.pk}", lots),
    }


def of_lot(request, lot: Lot) -> dict:
    """Figures and sums of a lot."""
    at = _asked(LOT, key=lot.pk)
    gone = at["earned"] - at["remaining"] - at["held"]
    expired = [_("%(points)s of them expired") % {"points": count(at["expired"])}] if at["expired"] else []
    named = [(_("Earned"), at["earned"], []), (_("Left"), at["remaining"], []), (_("Held"), at["held"], [])]
    named.append((_("Gone"), gone, expired))
    flow = [("", _("earned"), at["earned"]), ("−", _("taken"), at["taken"]), ("+", _("returned"), at["returned"])]
    aside = [("", _("set aside"), at["set_aside"]), ("−", _("released or spent"), at["let_go"])]
    return {
        "figures": [{"label": name, "value": count(points), "lines": lines} for name, points, lines in named],
        "checks": [_equal([("", _("Left"), at["remaining"])], flow), _equal([("", _("Held"), at["held"])], aside)],
        "trouble": _trouble(request, f"lot/{lot.pk}"),
    }


# What each figure means
def _available(at: dict, terms: Programme) -> list[str]:
    meaning = [_("May be spent now") if at["available"] else _("Nothing may be spent now")]
    if at["first_to_expire"] is None:
        return meaning
    until = {"day": last_day(at["first_to_expire"]), "left": days_left(at["first_to_expire"])}
    if not at["expiring"]:
        return [*meaning, _("The first of them are valid through %(day)s (%(left)s)") % until]
    soon = {"points": count(at["expiring"]), "days": terms.notice_days}
    return [
        *meaning,
        {"text": _("%(points)s of them expire within %(days)s days") % soon, "is_bad": True},
        _("the first after %(day)s (%(left)s)") % until,
    ]


def _pending(at: dict) -> list[str]:
    if not at["pending"]:
        return [_("Nothing is still to come")]
    lines = [_("Earned, may be spent when it becomes available")]
    if at["next_at"]:
        lines.append(_("The next comes at %(time)s") % {"time": moment(at["next_at"])[:16]})
    if at["for_staff"]:
        waiting = _("%(points)s of them wait for staff") % {"points": count(at["for_staff"])}
        lines.append({"text": waiting, "is_bad": True})
    return lines


def _held(at: dict) -> list[str]:
    if not at["holds"]:
        return [_("Nothing is set aside")]
    open_ones = _("Open holds: %(holds)s") % {"holds": at["holds"]}
    ends = _("The first lets go at %(time)s") % {"time": moment(at["lets_go_at"])[:16]}
    return [open_ones, ends]


def _debt(at: dict) -> list[str]:
    if not at["debt"]:
        return [_("Nothing is owed")]
    meaning = _("Points refunded after they were spent; what is earned next settles them first")
    return [{"text": meaning, "is_bad": True}]


# What must come to the same
def _sums(at: dict) -> list[dict]:
    lots = [("", _("left in lots"), at["in_lots"]), ("−", _("pending"), at["pending"])]
    held = [("", _("open holds"), at["in_holds"])], [("", _("held in lots"), at["held_in_lots"])]
    sums = [
        _equal([("", COMPONENTS["available"], at["available"])], lots),
        _equal([("", COMPONENTS["pending"], at["pending"])], [("", _("left in pending lots"), at["in_pending_lots"])]),
        _equal([("", COMPONENTS["held"], at["held"])], *held),
    ]
    return [*sums, _of_entries(at)] if at["version"] <= MOST else sums


def _of_entries(at: dict) -> dict:
    """All four figures against the sums of all entries."""
    names, entries = " / ".join(str(name) for name in COMPONENTS.values()), at["entries"]
    figures, summed = ([at[f"{key}{end}"] for key in COMPONENTS] for end in ("", "_sum"))
    of_all = _("sum of all entries (%(entries)s)") % {"entries": count(entries)}
    sides = f"{names} {_row(figures)}", f"{of_all} {_row(summed)}"
    return _judged(figures == summed, *sides, max(abs(a - b) for a, b in zip(figures, summed, strict=True)))


def _equal(*sides: list[tuple]) -> dict:
    """Sides of terms (sign, name, points) that must come to the same."""
    totals = [sum(-points if sign == "−" else points for sign, _name, points in side) for side in sides]
    left, *others = (
        " ".join(f"{sign} {name} {count(points)}".strip() for sign, name, points in side) for side in sides
    )
    return _judged(len(set(totals)) == 1, left, " = ".join(others), max(totals) - min(totals))


def _judged(holds: bool, left: str, right: str, difference: int) -> dict:
    verdict = "✓" if holds else _("✗ differs by %(points)s") % {"points": count(difference)}
    return {"text": f"{left} {'=' if holds else '≠'} {right}", "verdict": verdict, "holds": holds}


def _row(points: list[int]) -> str:
    return " / ".join(map(count, points))


def _trouble(request, subject: str, lots=()) -> dict:
    """What reconciliation found wrong here or in these lots, for whoever may see it; else that it will find it."""
    here = Q(subject=subject) | Q(subject__in=lots)
    found = list(Discrepancy.objects.filter(here, resolved_at=None).values_list("subject", flat=True)[:MOST])
    only = found[0] if len(set(found)) == 1 else ""
    page = f"{reverse('admin:sync_discrepancy_changelist')}?{urlencode({'is': 'open'} | ({'q': only} if only else {}))}"
    return {
        "found": _("Open discrepancies: %(found)s") % {"found": len(found)} if found else "",
        "url": page if request.user.has_perm("sync.view_discrepancy") else "",
        "later": _("Reconciliation names it when it runs next; tell whoever looks after it."),
    }


def _asked(sql: str, **what) -> dict:
    with connection.cursor() as cursor:
        cursor.execute(sql, what)
        names = [column.name for column in cursor.description]
        return dict(zip(names, cursor.fetchone(), strict=True))

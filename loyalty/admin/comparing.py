"""The page that shows what a draft of an earn rule would change, and from which alone it is put in force."""

from django.contrib import admin, messages
from django.core import signing
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from loyalty import queries
from loyalty.admin import acting
from loyalty.dry_run import Compared, Diff, dry_run
from loyalty.models import EarnBoost, EarnRule, Purchase
from loyalty.services import rule_versions
from sync.admin import scope, shown

ACTIVATE = "loyalty.activate_earnrule"
SPANS = (7, 30, 90)  # days
SEEN_FOR = 3600  # seconds: then it is compared anew
SALT = "earn rule seen compared"
NEVER_SHOWN = {"kind", "code"}
NOTHING = pgettext_lazy("a rule's term", "none")


def view(page, request, rule: EarnRule):
    """GET compares; POST puts in force what was seen."""
    return _activate(page, request, rule) if request.method == "POST" else _compare(page, request, rule)


def _activate(page, request, rule: EarnRule):
    acting.require(request, ACTIVATE)
    try:
        basis = _read(request, rule)
        done = rule_versions.activate(rule=rule.pk, basis=basis, by=acting.by(request))
    except (rule_versions.NotDraft, rule_versions.Outdated, signing.BadSignature) as error:
        refused = rule_versions.Outdated() if isinstance(error, signing.BadSignature) else error
        messages.error(request, str(refused))
        return redirect("admin:loyalty_earnrule_compare", rule.pk)
    messages.success(request, _("%(rule)s is in force") % {"rule": done})
    return acting.to_page(done)


def _read(request, rule: EarnRule) -> str:
    """What this person has seen of this version lately. Raises BadSignature."""
    said = signing.loads(request.POST.get("seen", ""), salt=SALT, max_age=SEEN_FOR)
    if said[:2] != [request.user.pk, rule.pk]:
        raise signing.BadSignature
    return said[2]


def _compare(page, request, rule: EarnRule):
    asked = request.GET.get("days", "")
    days = int(asked) if asked in {str(each) for each in SPANS} else SPANS[1]
    diff, active = dry_run(rule, days=days), queries.active_rule(rule.kind)
    context = page.admin_site.each_context(request) | {
        "title": _("Compare and activate"),
        "subtitle": str(rule),
        "opts": EarnRule._meta,
        "rule": rule,
        "active": active,
        "days": days,
        "spans": SPANS,
        "diff": diff,
        "is_by_order": rule.kind == EarnRule.Kind.PAID,
        "share": _share(diff),
        "terms": _terms(rule, active),
        "boosts": [_boosts(each) for each in (active, rule) if each],
        "figures": {name: f"{getattr(diff, name):,}" for name in ("cases", "before", "after", "gaining", "losing")},
        "biggest": [_row(each) for each in _seen(request, diff.biggest)],
        "may_activate": request.user.has_perm(ACTIVATE),
        "seen": signing.dumps([request.user.pk, rule.pk, diff.basis], salt=SALT),
    }
    return TemplateResponse(request, "admin/loyalty/compare.html", context)


def _seen(request, compared: list[Compared]) -> list[Compared]:
    """Those of purchases that the reader may look at."""
    if scope.sight(request).is_whole:
        return compared
    purchases = admin.site._registry[Purchase].get_queryset(request).filter(pk__in=[each.id for each in compared])
    known = set(purchases.values_list("pk", flat=True))
    return [each for each in compared if each.id in known]


def _row(each: Compared) -> dict:
    """An order as the page shows it."""
    return {
        "order": shown.linked(Purchase(pk=each.id), each.number),
        "at": shown.moment(each.paid_at),
        "paid": shown.yuan(each.paid_fen),
        "before": f"{each.before:,}",
        "after": f"{each.after:,}",
        "change": f"{each.change:+,}".replace("-", "−"),
        "is_gain": each.change > 0,
    }


def _share(diff: Diff) -> str:
    """By how much more or less, in percent."""
    if not diff.before:
        return ""
    return f"{(diff.after - diff.before) / diff.before * 100:+.1f} %".replace("-", "−")


def _terms(rule: EarnRule, active: EarnRule | None) -> list[dict]:
    """Each term in force and in the draft; those that say nothing in either are left out."""
    fields = {each.attname: each for each in EarnRule._meta.concrete_fields}
    new, old = rule_versions.terms_of(rule), rule_versions.terms_of(active) if active else {}
    rows = [
        {"name": capfirst(fields[name].verbose_name), "old": _said(old.get(name)), "new": _said(value)}
        for name, value in new.items()
        if name not in NEVER_SHOWN and (value or old.get(name) or value != old.get(name, value))
    ]
    return [row | {"differs": bool(old) and row["old"] != row["new"]} for row in rows]


def _said(value) -> str:
    """A term as people read it."""
    if value in (None, [], ""):
        return str(NOTHING)
    if isinstance(value, list):
        return ", ".join(value)
    if hasattr(value, "normalize"):
        return f"{value.normalize():f}"
    return shown.moment(value) if hasattr(value, "tzinfo") else f"{value:,}"


def _boosts(rule: EarnRule) -> dict:
    """The multipliers of a version, one line each."""
    found = rule.boosts.select_related("tier", "channel").order_by("pk")
    return {"rule": rule, "lines": [_line(each) for each in found]}


def _line(boost: EarnBoost) -> str:
    dates = (
        f"{shown.moment(boost.starts_at)} → {shown.moment(boost.ends_at)}" if boost.starts_at or boost.ends_at else ""
    )
    fits = [str(boost.tier or ""), str(boost.channel or ""), ", ".join(boost.includes), dates]
    said = " · ".join(filter(None, fits)) or str(_("everything"))
    return f"{boost.name} × {boost.multiplier.normalize():f} ({said})"

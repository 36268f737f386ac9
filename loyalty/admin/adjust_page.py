"""The page where staff adjust points: find the member, say how much and why, go on with the next."""

from urllib.parse import urlencode

from django import forms
from django.contrib import messages
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from loyalty.admin import acting
from loyalty.models import Account, Adjustment, Programme, Reason
from loyalty.services import adjusting, budgets
from loyalty.services.adjusting_lines import MOST_POINTS
from members.admin import finding
from members.models import Member
from sync.ids import uuid7

FEW = 8


class AdjustForm(forms.Form):
    """How much, which way, why. `id` names this very request: sent twice it counts once."""

    id = forms.UUIDField()
    way = forms.ChoiceField(choices=[("give", _("Give")), ("take", _("Take"))])
    points = forms.IntegerField(min_value=1, max_value=MOST_POINTS, label=_("Points"))
    reason = forms.ModelChoiceField(Reason.objects.filter(is_active=True), to_field_name="code", label=_("Reason"))
    note = forms.CharField(max_length=500, required=False, label=_("Note"))

    def signed(self) -> int:
        """Points as they are posted: negative when taken."""
        points = self.cleaned_data["points"]
        return points if self.cleaned_data["way"] == "give" else -points


def url(member: Member | None = None, **query) -> str:
    """The page, for a member."""
    query = ({"member": member.pk} if member else {}) | {name: value for name, value in query.items() if value}
    return reverse("admin:loyalty_adjustment_ask") + (f"?{urlencode(query)}" if query else "")


def view(page, request):
    """Look for a member, then adjust; who may not ask is refused."""
    acting.require(request, acting.ASK)
    if request.method == "POST":
        return _ask(page, request)
    if "q" in request.GET and not request.GET.get("member"):
        return _look(page, request)
    member = finding.chosen(request, request.GET["member"]) if request.GET.get("member") else None
    return _shown(page, request, member, AdjustForm(initial=_initial(request)))


def _ask(page, request):
    form, member = AdjustForm(request.POST), finding.chosen(request, request.POST.get("member"))
    if not form.is_valid():
        return _shown(page, request, member, form)
    given = {name: form.cleaned_data[name] for name in ("id", "reason", "note")}
    try:
        made = adjusting.adjust(member=member.pk, points=form.signed(), by=acting.by(request), **given)
    except acting.REFUSALS as error:
        form.add_error(None, acting.told(error))
        return _shown(page, request, member, form)
    messages.success(request, _told(member, made))
    if request.POST.get("back") == "member":
        return redirect("admin:members_member_change", member.pk)
    return redirect(url(reason=made.reason.code, way=form.cleaned_data["way"]))


def _told(member: Member, made: Adjustment) -> str:
    named = {"member": member.number, "points": f"{made.points:+,}".replace("-", "−")}
    if made.state == Adjustment.State.ASKED:
        return _("%(member)s: %(points)s points wait for somebody else's approval") % named
    named["left"] = f"{made.entry.available_after:,}"
    return _("%(member)s: %(points)s points, %(left)s are available now") % named


def _look(page, request):
    found = finding.matching(request, request.GET["q"], FEW + 1)
    if len(found) == 1:
        kept = {name: request.GET.get(name, "") for name in ("reason", "way")}
        return redirect(url(found[0], q=request.GET["q"], **kept))
    return _shown(page, request, None, AdjustForm(initial=_initial(request)), found=found, was_looked_for=True)


def _sums(member: Member) -> list[dict]:
    """What the member has, component by component."""
    account = Account.objects.filter(member=member).first() or Account(member=member)
    titles = {"available": _("Available"), "pending": _("Pending"), "held": _("Held"), "debt": _("Debt")}
    return [
        {
            "name": name,
            "title": title,
            "points": points,
            "shown": f"{points:,}",
            "is_bad": name == "debt" and points > 0,
        }
        for name, title in titles.items()
        for points in [getattr(account, name)]
    ]


def _initial(request) -> dict:
    return {"id": uuid7(), "way": request.GET.get("way") or "give", "reason": request.GET.get("reason", "")}


def _shown(page, request, member: Member | None, form: AdjustForm, **more):
    programme, left = Programme.current(), budgets.left_of(request.user.pk)
    mine = page.get_queryset(request).filter(asked_by=request.user).select_related(*page.list_select_related)
    context = page.admin_site.each_context(request) | {
        "title": _("Adjust points"),
        "subtitle": None,
        "opts": Adjustment._meta,
        "member": member,
        "sums": _sums(member) if member else [],
        "form": form,
        "values": form.data if form.is_bound else form.initial,
        "reasons": list(Reason.objects.filter(is_active=True)),
        "limits": {"alone": programme.adjust_alone, "left": left},
        "alone": f"{programme.adjust_alone:,}",
        "per_day": f"{programme.adjust_per_day:,}",
        "left": f"{left:,}",
        "recent": list(mine.order_by("-id")[:FEW]),
        "looked_for": request.GET.get("q", ""),
        "back": "" if "q" in request.GET else request.POST.get("back", "member" if member else ""),
    }
    return TemplateResponse(request, "admin/loyalty/adjust.html", context | more)

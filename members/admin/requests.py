"""What takes two people: asked for on one page, decided on another; merging two members begins here."""

from collections.abc import Callable
from functools import partial
from urllib.parse import urlencode
from uuid import UUID

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Q
from django.http import Http404
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST

from members import asking, foreseeing
from members.models import LinkCase, Member, Request
from sync.admin import scope, search, shown
from sync.admin.pages import HubAdmin
from sync.admin.panels import Panel, show_on
from sync.http import Problem

ASK, APPROVE = "members.add_request", "members.approve_request"
FEW = 8
THERE = {Member.Status.ACTIVE, Member.Status.FROZEN}
DONE = {
    "approve": _("Approved and done"),
    "refuse": _("Refused: nothing has changed"),
    "withdraw": _("Withdrawn"),
}


class Queue(admin.SimpleListFilter):
    """What waits for the reader's word, and what the reader waits for."""

    title, parameter_name = _("queue"), "queue"

    def lookups(self, request, model_admin):
        return [("open", _("Waiting for my decision")), ("mine", _("Asked by me"))]

    def queryset(self, request, queryset):
        if self.value() == "open":
            return queryset.filter(state="asked").exclude(asked_by=request.user)
        return queryset.filter(asked_by=request.user) if self.value() == "mine" else queryset


def name_of(user) -> str:
    """A person of the staff as colleagues know them."""
    return user.get_full_name() or user.username if user else shown.EMPTY


def both_seen(channels) -> Q:
    """Requests about members who are all seen on the channels that the reader holds."""
    member, other = scope.of_member("member_id"), scope.of_member("other_id")
    return Q(member(channels)) & (Q(other=None) | Q(other(channels)))


@admin.register(Request)
class RequestAdmin(HubAdmin):
    within = staticmethod(both_seen)
    list_display = [
        shown.at("asked_at", _("Asked at")),
        shown.state("kind", _("Kind")),
        shown.link("member", _("Member")),
        shown.link("other", _("Other member")),
        shown.computed("reason", _("Reason"), lambda it: it.reason),
        shown.state("state", _("State")),
        shown.computed("asked_by", _("Asked by"), lambda it: name_of(it.asked_by)),
        shown.computed("decided_by", _("Decided by"), lambda it: name_of(it.decided_by)),
    ]
    list_select_related = ["member", "other", "asked_by", "decided_by", "merge__source", "merge__target"]
    list_filter = [Queue, "state", "kind"]
    ordering = ["-id"]
    searches = [search.by_number("M", "member__number"), search.by_id("pk", "member_id", "other_id")]
    search_help_text = _("Member number")
    fieldsets = [
        (None, {"fields": [(list_display[1], list_display[5]), (list_display[2], list_display[3]), "reason"]}),
        (
            _("Who decided"),
            {
                "fields": [
                    (list_display[6], list_display[0]),
                    (list_display[7], shown.at("decided_at", _("Decided at"))),
                    (shown.link("case", _("Link case")), shown.link("merge", _("Merge"))),
                    "why",
                ]
            },
        ),
    ]
    change_form_outer_before_template = "admin/members/request.html"

    def get_queryset(self, request):
        return super().get_queryset(request).select_related(*self.list_select_related)

    def get_urls(self):
        wrap = self.admin_site.admin_view
        merge = path("merge/", wrap(partial(merge_page, self)), name="members_request_merge")
        acts = path("<uuid:key>/act/<slug:act>/", wrap(require_POST(self.act)), name="members_request_act")
        return [merge, acts, *super().get_urls()]

    def act(self, request, key, act: str):
        """Decide on what somebody else asked for, or withdraw one's own; then on to what waits."""
        if act not in DONE:
            raise Http404
        require(request, ASK if act == "withdraw" else APPROVE)
        row = self.get_queryset(request).filter(pk=key).first()
        if row is None:
            raise Http404
        asked = {"request": row.pk, "user": request.user}
        if act == "withdraw":
            done = attempt(request, lambda: asking.withdraw(**asked), DONE[act])
        else:
            words = request.POST.get("words", "")
            decide = partial(asking.decide, approve=act == "approve", why=words, **asked)
            done = attempt(request, decide, DONE[act])
        return redirect("admin:members_request_change", (done or row).pk)

    def explained(self, request, row) -> dict:
        is_open, is_mine = row.state == Request.State.ASKED, row.asked_by_id == request.user.pk
        return {
            "asked": row,
            "seen": foreseen(row) if is_open else None,
            "may_decide": is_open and not is_mine and request.user.has_perm(APPROVE),
            "may_withdraw": is_open and is_mine and request.user.has_perm(ASK),
        }


def foreseen(asked: Request) -> foreseeing.Foreseen | None:
    """What it would do if it were approved at this moment."""
    if asked.kind == Request.Kind.MERGE:
        return foreseeing.of_merge(asked.member_id, asked.other_id)
    return foreseeing.of_unmerge(asked.merge) if asked.kind == Request.Kind.UNMERGE else None


class MergeForm(forms.Form):
    """Why two members are one person."""

    reason = forms.CharField(max_length=200, label=_("Reason"))


def merge_page(page, request):
    """Find the other member, look at both side by side, say why, ask."""
    require(request, ASK)
    member, case = seen_member(request, request.GET.get("member")), _case(request)
    other = seen_member(request, request.GET["other"]) if request.GET.get("other") else None
    form = MergeForm(request.POST or None)
    if other and form.is_valid():
        asked = {"kind": Request.Kind.MERGE, "member": member.pk, "other": other.pk, "case": case}
        ask = partial(asking.ask, user=request.user, **asked, **form.cleaned_data)
        if made := attempt(request, ask, _("Asked for: somebody else decides")):
            return redirect("admin:members_request_change", made.pk)
    looked_for = request.GET.get("q", "")
    context = page.admin_site.each_context(request) | {
        "title": _("Merge two members"),
        "opts": Request._meta,
        "member": member,
        "other": other,
        "case": case,
        "form": form,
        "looked_for": looked_for,
        "found": _found(request, looked_for, but=member) if looked_for and not other else None,
        "seen": foreseeing.of_merge(member.pk, other.pk) if other else None,
    }
    return TemplateResponse(request, "admin/members/merge.html", context)


def merge_url(member: Member, **query) -> str:
    """The page on which this member is merged with another."""
    return f"{reverse('admin:members_request_merge')}?{urlencode({'member': member.pk} | query)}"


def _found(request, words: str, *, but: Member) -> list[Member]:
    people = admin.site._registry[Member]
    found, _distinct = people.get_search_results(request, people.get_queryset(request), words)
    return list(found.filter(status__in=THERE).exclude(pk=but.pk).order_by("-id")[:FEW])


def _case(request) -> LinkCase | None:
    if not request.GET.get("case"):
        return None
    return _object(request, LinkCase, request.GET["case"])


def seen_member(request, key) -> Member:
    """A member that the reader sees."""
    return _object(request, Member, key)


def _object(request, model, key):
    try:
        UUID(str(key))
    except ValueError as error:
        raise Http404 from error
    found = admin.site._registry[model].get_object(request, key)
    if found is None:
        raise Http404
    return found


def require(request, permission: str) -> None:
    """Raises PermissionDenied."""
    if not request.user.has_perm(permission):
        raise PermissionDenied


def attempt(request, act: Callable, done: object):
    """Run an act and tell what came of it; returns what the act gives, None when it was refused."""
    try:
        result = act()
    except Problem as problem:
        messages.error(request, str(problem.detail) or _("This is not possible any more: look at it anew"))
        return None
    messages.success(request, str(done))
    return result


def _way(request, member: Member) -> dict | None:
    if not request.user.has_perm(ASK) or member.status not in THERE:
        return None
    return {"title": _("Merge with another member"), "url": merge_url(member)}


show_on(
    Member,
    Panel(
        Request,
        lambda it: Q(member=it) | Q(other=it),
        lambda it: {"q": it.pk},
        place=75,
        way=_way,
    ),
)

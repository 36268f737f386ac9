"""Adjustments and their reasons: asked for, decided on by somebody else, undone."""

from functools import partial

from django.contrib import admin
from django.http import Http404
from django.shortcuts import redirect
from django.urls import path
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST
from unfold.contrib.filters.admin import RangeDateTimeFilter
from unfold.decorators import action

from loyalty.admin import acting, adjust_page
from loyalty.admin.acting import APPROVE, ASK
from loyalty.models import Account, Adjustment, Entry, Reason
from loyalty.services import adjusting
from members.models import Member
from sync.admin import scope, search, shown
from sync.admin.pages import HubAdmin
from sync.admin.panels import Panel, show_on

ACTS = {  # what a page's button does: the act, its permission, what is said when it is done
    "approve": (adjusting.approve, APPROVE, _("Approved: the points have been posted")),
    "refuse": (adjusting.refuse, APPROVE, _("Refused: no point has moved")),
    "withdraw": (adjusting.withdraw, ASK, _("Withdrawn")),
    "undo": (adjusting.undo, ASK, _("Undoing has been asked for: see the adjustment that undoes it")),
}
WORDS = {"refuse": "why", "undo": "note"}


@admin.register(Reason)
class ReasonAdmin(HubAdmin):
    list_display = [
        "name",
        "code",
        shown.state("direction", _("Direction")),
        shown.yes("is_note_required", _("Note required")),
        shown.yes("is_active", _("Active")),
    ]
    list_filter = ["is_active", "direction"]
    editable = ("name", "is_note_required", "is_active")
    on_adding = ("code", "name", "direction", "is_note_required")
    fieldsets = [(None, {"fields": [("name", "code"), shown.state("direction", _("Direction")), *editable[1:]]})]


class Queue(admin.SimpleListFilter):
    """What waits for the reader's word, and what the reader waits for."""

    title, parameter_name = _("queue"), "queue"

    def lookups(self, request, model_admin):
        return [("open", _("Waiting for my decision")), ("mine", _("Asked by me"))]

    def queryset(self, request, queryset):
        if self.value() == "open":
            return queryset.filter(state="asked").exclude(asked_by=request.user)
        return queryset.filter(asked_by=request.user) if self.value() == "mine" else queryset


class ByReason(admin.SimpleListFilter):
    """The reasons there are."""

    title, parameter_name = _("reason"), "reason"

    def lookups(self, request, model_admin):
        return Reason.objects.values_list("code", "name")

    def queryset(self, request, queryset):
        return queryset.filter(reason__code=self.value()) if self.value() else queryset


def person(field: str, label):
    """A column of staff, by their names."""
    return shown.computed(field, label, lambda it: name_of(getattr(it, field)))


def name_of(user) -> str:
    """A person as colleagues know them."""
    return user.get_full_name() or user.username if user else shown.EMPTY


@admin.register(Adjustment)
class AdjustmentAdmin(HubAdmin):
    within = staticmethod(scope.of_member("account__member_id"))
    list_display = [
        shown.at("asked_at", _("Asked at")),
        shown.link("account__member", _("Member")),
        shown.points("points", _("Points"), signed=True),
        shown.computed("reason", _("Reason"), lambda it: it.reason.name),
        shown.computed("note", _("Note"), lambda it: it.note or shown.EMPTY),
        shown.state("state", _("State")),
        person("asked_by", _("Asked by")),
        person("decided_by", _("Decided by")),
    ]
    list_select_related = ["account__member", "reason", "asked_by", "decided_by"]
    list_filter = [Queue, "state", ByReason, ("asked_at", RangeDateTimeFilter)]
    list_filter_submit = True
    ordering = ["-id"]
    searches = [
        search.by_phone("account__member__phone_index"),
        search.by_number("M", "account__member__number"),
        search.by_id("pk", "account_id", "file_id"),
    ]
    search_help_text = _("Phone or member number")
    actions = ["approve_chosen", "refuse_chosen"]
    actions_list = ["open_adjust_page"]
    fieldsets = [
        (None, {"fields": [(list_display[1], list_display[2]), (list_display[3], list_display[5]), "note"]}),
        (
            _("Who decided"),
            {
                "fields": [
                    (list_display[6], list_display[0]),
                    (list_display[7], shown.at("decided_at", _("Decided at"))),
                    (shown.yes("needs_approval", _("Needs a second person")), "why"),
                ]
            },
        ),
        (
            _("What came of it"),
            {
                "fields": [
                    (
                        shown.computed("entry", _("Points entry"), lambda it: shown.linked(it.entry, str(it))),
                        shown.link("undoes", _("Undoes")),
                    ),
                    shown.link("file", _("File")),
                ]
            },
        ),
    ]
    change_form_outer_before_template = "admin/loyalty/adjustment.html"

    def has_approve_permission(self, request) -> bool:
        return request.user.has_perm(APPROVE)

    def has_ask_permission(self, request) -> bool:
        return request.user.has_perm(ASK)

    @action(description=_("Adjust points"), url_path="to-ask", permissions=["ask"], icon="add")
    def open_adjust_page(self, request):
        return redirect(adjust_page.url())

    def get_urls(self):
        wrap = self.admin_site.admin_view
        acts = path("<uuid:key>/act/<slug:act>/", wrap(require_POST(self.act)), name="loyalty_adjustment_act")
        ask = path("ask/", wrap(partial(adjust_page.view, self)), name="loyalty_adjustment_ask")
        return [ask, acts, *super().get_urls()]

    def act(self, request, key, act: str):
        """Decide on one, take it back or undo it; then back to what waits, or to its page."""
        if act not in ACTS:
            raise Http404
        function, permission, done = ACTS[act]
        acting.require(request, permission)
        row = self.get_queryset(request).filter(pk=key).first()
        if row is None:
            raise Http404
        words = {WORDS[act]: acting.words(request)} if act in WORDS else {}
        made = acting.attempt(request, function, done, adjustment=row.pk, **words)
        if made and act in {"approve", "refuse"}:
            return self.to_next(request)
        return acting.to_page(made or row)

    def to_next(self, request):
        """On with what else waits for the reader's decision, or to the empty queue."""
        waiting = self.get_queryset(request).filter(state="asked").exclude(asked_by=request.user)
        following = waiting.order_by("-id").first()
        return acting.to_page(following) if following else acting.to_list(Adjustment, "?queue=open")

    def explained(self, request, row) -> dict:
        is_open, is_mine = row.state == "asked", row.asked_by_id == request.user.pk
        undone_by = row.undoings.filter(state__in=["asked", "posted"]).first()
        may_undo = row.state == "posted" and not row.undoes_id and undone_by is None
        return {
            "adjustment": row,
            "undone_by": undone_by,
            "asked_points": str(row),
            "balance_now": f"{row.account.available:,}",
            "may_decide": is_open and not is_mine and request.user.has_perm(APPROVE),
            "may_withdraw": is_open and is_mine and request.user.has_perm(ASK),
            "may_undo": may_undo and request.user.has_perm(ASK),
            "is_mine_to_wait": is_open and is_mine,
        }

    @admin.action(description=_("Approve the chosen"), permissions=["approve"])
    def approve_chosen(self, request, queryset):
        acting.attempt_each(request, adjusting.approve, queryset.select_related("account__member"), "adjustment")

    @admin.action(description=_("Refuse the chosen"), permissions=["approve"])
    def refuse_chosen(self, request, queryset):
        acting.attempt_each(request, adjusting.refuse, queryset, "adjustment")


def ask_link(request, member: Member | None):
    """The way to the adjust page for a member, for who may ask."""
    if member and request.user.has_perm(ASK):
        return {"title": _("Adjust points"), "url": adjust_page.url(member)}
    return None


show_on(
    Member,
    Panel(
        Adjustment,
        lambda it: {"account__member": it},
        lambda it: {"q": it.number},
        without=("account__member",),
        place=9,
        way=ask_link,
    ),
)
show_on(
    Account,
    Panel(
        Adjustment,
        lambda it: {"account": it},
        lambda it: {"q": it.pk},
        without=("account__member",),
        place=20,
        way=lambda request, it: ask_link(request, it.member),
    ),
)
show_on(Entry, Panel(Adjustment, lambda it: {"entry": it}, without=("account__member",), place=20, quiet=True))

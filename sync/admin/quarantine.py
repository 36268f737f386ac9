"""The inbox: what came from outside, and what of it is in quarantine and may be tried again, with a reason."""

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.core.exceptions import PermissionDenied
from django.db.models import Count
from django.http import Http404
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.html import format_html
from django.utils.translation import gettext, gettext_lazy
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import RangeDateTimeFilter
from unfold.widgets import UnfoldAdminTextInputWidget

from sync import quarantine
from sync.act import Actor
from sync.admin import scope, search, shown
from sync.admin.pages import HubAdmin
from sync.admin.panels import Panel, show_on
from sync.echo import ECHO
from sync.http.problems import CODES
from sync.inbox import LOCKED
from sync.models import InboxMessage, InboxReplay
from sync.receiving import ID_REUSED, TYPE_UNKNOWN

REPLAY = "sync.replay_inboxmessage"
KEPT = ("action", "select_across", ACTION_CHECKBOX_NAME)  # what the list needs to run an action again
FEW = 30  # kinds of problems to choose from
WORDS = {
    ECHO: gettext_lazy("It came back to where it had been told: an echo"),
    ID_REUSED: gettext_lazy("Its id was used before, for something else"),
    TYPE_UNKNOWN: gettext_lazy("Nothing here knows this type"),
    "erased": gettext_lazy("Its content was erased"),
    LOCKED: gettext_lazy("It waited in vain for what somebody else had locked, and is tried again"),
    "internal": CODES["internal"][1],
}


AT_FAULT = {
    **dict.fromkeys(["required", "null"], gettext_lazy("missing")),
    **dict.fromkeys(["blank", "empty"], gettext_lazy("empty")),
    **dict.fromkeys(["max_length", "max_value", "max_string_length"], gettext_lazy("too large")),
    **dict.fromkeys(["min_length", "min_value"], gettext_lazy("too small")),
    **dict.fromkeys(["invalid", "invalid_choice", "not_a_list", "not_a_dict"], gettext_lazy("not valid")),
    "unknown": gettext_lazy("unknown"),
}


def why(problem: str) -> str:
    """What is wrong with a message, in words where there are some; the fields at fault as they are called."""
    code, _space, rest = problem.partition(" ")
    code = code.rstrip(":")
    words = WORDS.get(code) or (CODES[code][1] if code in CODES else code)
    return " · ".join([str(words), *map(_at_fault, rest.split(" "))]) if rest else str(words)


def _at_fault(part: str) -> str:
    name, _colon, code = part.partition(":")
    return f"{name} {AT_FAULT[code]}" if code in AT_FAULT else part


class ReasonForm(forms.Form):
    """Why it is worth another try."""

    reason = forms.CharField(max_length=500, strip=True, label=_("Reason"), widget=UnfoldAdminTextInputWidget)


class ByProblem(admin.SimpleListFilter):
    """What is in quarantine, by what is wrong with it."""

    title, parameter_name = _("what is wrong"), "wrong"

    def lookups(self, request, model_admin):
        rows = model_admin.get_queryset(request).filter(state=InboxMessage.State.QUARANTINED).order_by()
        counted = rows.values("problem").annotate(count=Count("pk")).order_by("-count", "problem")[:FEW]
        return [(each["problem"], f"{why(each['problem'])} ({each['count']})") for each in counted]

    def queryset(self, request, queryset):
        if not self.value():
            return queryset
        return queryset.filter(state=InboxMessage.State.QUARANTINED, problem=self.value())


def problem(name: str = "problem"):
    """A column of what is or was wrong."""

    def show(row):
        said = getattr(row, name)
        return format_html('<span class="hub-wrap">{}</span>', why(said)) if said else shown.EMPTY

    return shown.computed(name, _("What is wrong"), show)


def _next_try(message: InboxMessage) -> str:
    is_in_line = message.state in {message.State.WAITING, message.State.PARKED}
    return shown.moment(message.next_at) if is_in_line else shown.EMPTY


@admin.register(InboxMessage)
class InboxMessageAdmin(HubAdmin):
    within = staticmethod(scope.of_sender)
    list_display = [
        shown.fact("type", _("Type")),
        "message_id",
        shown.code("sender", _("Sender")),
        shown.state("state", _("State")),
        problem(),
        "attempts",
        shown.at("received_at", _("Received")),
        shown.at("applied_at", _("Applied")),
    ]
    list_filter = ["state", ByProblem, ("received_at", RangeDateTimeFilter)]
    list_filter_submit = True
    ordering = ["-id"]
    searches = [search.by_id("pk"), search.exactly("message_id", "subject")]
    search_help_text = _("Message id or subject")
    actions = ["replay"]
    fieldsets = [
        (None, {"fields": [("type", "sender"), "message_id", "subject"]}),
        (
            _("State"),
            {
                "fields": [
                    (shown.state("state", _("State")), "attempts"),
                    (problem(), "waits_for"),
                    "correlation_id",
                ]
            },
        ),
        (
            _("Times"),
            {
                "fields": [
                    (shown.at("received_at", _("Received")), shown.computed("next_at", _("Next try"), _next_try)),
                    (shown.at("quarantined_at", _("Quarantined")), shown.at("applied_at", _("Applied"))),
                ]
            },
        ),
    ]

    change_form_outer_before_template = "admin/ways.html"

    def has_replay_permission(self, request) -> bool:
        return request.user.has_perm(REPLAY)

    def get_urls(self):
        one = path("<uuid:key>/replay/", self.admin_site.admin_view(self.replay_one), name="sync_inboxmessage_replay")
        return [one, *super().get_urls()]

    def explained(self, request, row) -> dict:
        if row.state != row.State.QUARANTINED or not self.has_replay_permission(request):
            return {}
        again = {"title": _("Try again"), "url": reverse("admin:sync_inboxmessage_replay", args=[row.pk])}
        return {"ways": [again | {"is_next": True}]}

    @admin.action(description=_("Try the chosen again"), permissions=["replay"])
    def replay(self, request, queryset):
        """What is chosen is tried again once a reason is given."""
        return self._asked(request, queryset, request.get_full_path())

    def replay_one(self, request, key):
        """One message, from its page."""
        if not self.has_replay_permission(request):
            raise PermissionDenied
        found = self.get_queryset(request).filter(pk=key)
        if not found:
            raise Http404
        return self._asked(request, found, reverse("admin:sync_inboxmessage_change", args=[key]))

    def _asked(self, request, rows, back: str):
        form = ReasonForm(request.POST if "reason" in request.POST else None)
        ready = rows.filter(state=InboxMessage.State.QUARANTINED, body__isnull=False)
        if form.is_valid():
            ids = [*ready.order_by("pk").values_list("pk", flat=True)]
            left = rows.count() - len(ids)
            by = Actor("staff", str(request.user.pk))
            self._tell(request, quarantine.replay(ids, reason=form.cleaned_data["reason"], by=by), left)
            return redirect(back)
        count = ready.count()
        shown_here = {
            "title": _("Try again"),
            "form": form,
            "heading": gettext("Messages to try again: %(count)s") % {"count": count},
            "has_more": count > FEW,
            "rows": [(each, why(each.problem)) for each in ready.order_by("pk").defer("body")[:FEW]],
            "kept": [(name, value) for name in KEPT for value in request.POST.getlist(name)],
            "back": back,
            "opts": self.opts,
        }
        return TemplateResponse(request, "admin/sync/replay.html", self.admin_site.each_context(request) | shown_here)

    def _tell(self, request, done: int, left: int) -> None:
        if done:
            messages.success(request, gettext("Tried again: %(count)s") % {"count": done})
        if left:
            told = gettext("Left as they are, for they are not in quarantine or have no content any more: %(count)s")
            messages.warning(request, told % {"count": left})


@admin.register(InboxReplay)
class InboxReplayAdmin(HubAdmin):
    list_display = [
        shown.at("at", _("Tried again")),
        shown.link("message", _("Inbox message")),
        problem(),
        "reason",
        shown.code("by", _("By")),
    ]
    list_select_related = ["message"]
    ordering = ["-id"]
    searches = [search.by_id("message_id")]
    search_help_text = _("Message id")
    fieldsets = [(None, {"fields": [*list_display, shown.at("quarantined_at", _("Quarantined"))]})]

    @staticmethod
    def within(channels):
        return scope.Q(message__in=InboxMessage.objects.filter(scope.of_sender(channels)))


show_on(InboxMessage, Panel(InboxReplay, lambda it: {"message": it}, without=("message",)))

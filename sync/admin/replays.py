"""Sending again: chosen deliveries from their list or page, a range of events to an endpoint; each with a reason."""

from itertools import chain

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.core.exceptions import PermissionDenied
from django.http import Http404
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminTextInputWidget

from sync.admin import scope, shown
from sync.admin.pages import ByChannel, HubAdmin
from sync.admin.panels import Panel, show_on
from sync.courier import replays
from sync.models import Endpoint, Replay

REPLAY = "sync.add_replay"
KEPT = ("action", "select_across", ACTION_CHECKBOX_NAME)  # what the list needs to run an action again
FEW = 30
MOMENT = {"type": "datetime-local"}
WHOLE = shown.yes("is_whole", _("also what has arrived"))


class WhyForm(forms.Form):
    """Why it goes again."""

    reason = forms.CharField(max_length=200, label=_("Reason"), widget=UnfoldAdminTextInputWidget)


class RangeForm(forms.ModelForm):
    """Which events go again, by the time or the place the relay gave them; everything of 14 days without either."""

    since = forms.DateTimeField(required=False, label=_("From time"), widget=UnfoldAdminTextInputWidget(attrs=MOMENT))
    until = forms.DateTimeField(
        required=False,
        label=_("To time"),
        widget=UnfoldAdminTextInputWidget(attrs=MOMENT),
        help_text=_("Empty: everything of the last 14 days"),
    )
    start = forms.IntegerField(required=False, min_value=1, label=_("From position"), widget=UnfoldAdminTextInputWidget)
    end = forms.IntegerField(required=False, min_value=1, label=_("To position"), widget=UnfoldAdminTextInputWidget)

    def clean(self):
        """Asks for it, in the transaction of the page: what cannot be is said beside the form."""
        given = super().clean()
        if self.errors:
            return given
        asked = {"since": given["since"], "until": given["until"], "first": given["start"], "last": given["end"]}
        known = {"is_whole": given["is_whole"], "reason": given["reason"], "by": self.by}
        try:
            self.asked = replays.ask(given["endpoint"], **asked, **known)
        except replays.NotReplayed as error:
            self.add_error(None, str(error))
        return given

    def _post_clean(self):
        """The row is there already."""


@admin.register(Replay)
class ReplayAdmin(HubAdmin):
    within = staticmethod(scope.of_channel("endpoint__channel"))
    list_display = [
        shown.at("created_at", _("Created")),
        shown.computed("endpoint", _("Endpoint"), lambda it: shown.linked(it.endpoint, it.endpoint.channel)),
        shown.computed("range", _("Positions"), lambda it: f"{it.first:,}–{it.last:,}"),
        shown.computed("progress", _("How far"), lambda it: _progress(it)),
        "queued",
        "reason",
        shown.code("by", _("By")),
        shown.at("finished_at", _("Finished")),
    ]
    list_select_related = ["endpoint__channel"]
    list_filter = [ByChannel.at("endpoint__channel")]
    lookups = ("endpoint__id__exact",)
    ordering = ["-id"]
    actions = ["stop"]
    form = RangeForm
    on_adding = ("endpoint", "since", "until", "start", "end", "is_whole", "reason")
    fieldsets = [
        (None, {"fields": [list_display[1], (list_display[2], WHOLE), ("reason", list_display[6])]}),
        (_("State"), {"fields": [(list_display[3], "queued"), (list_display[0], list_display[7])]}),
    ]

    def has_stop_permission(self, request) -> bool:
        return request.user.has_perm(REPLAY)

    @admin.action(description=_("Stop the chosen"), permissions=["stop"])
    def stop(self, request, queryset):
        done = sum(replays.stop(key) for key in queryset.values_list("pk", flat=True))
        messages.success(request, gettext("Stopped: %(count)s") % {"count": done})

    def get_form(self, request, obj=None, **kwargs):
        made = super().get_form(request, obj, **kwargs)
        made.by = f"staff/{request.user.pk}"
        return made

    def add_view(self, request, form_url="", extra_context=None):
        return super().add_view(request, form_url, {"saves_as": _("Replay a range")} | (extra_context or {}))

    def save_form(self, request, form, change):
        return form.asked

    def save_model(self, request, obj, form, change):
        """The form has asked for it."""

    def save_related(self, request, form, formsets, change):
        """Nothing hangs on it."""


class Again:
    """What the page of deliveries has more: sending the chosen again."""

    actions = ["send_again"]

    def has_replay_permission(self, request) -> bool:
        return request.user.has_perm(REPLAY)

    def get_urls(self):
        view = self.admin_site.admin_view(self.send_one_again)
        return [path("<int:key>/again/", view, name="sync_delivery_again"), *super().get_urls()]

    @admin.action(description=_("Send the chosen again"), permissions=["replay"])
    def send_again(self, request, queryset):
        """What is chosen is sent again once a reason is given."""
        return self._asked(request, queryset, request.get_full_path())

    def send_one_again(self, request, key):
        """One delivery, from its page."""
        if not self.has_replay_permission(request):
            raise PermissionDenied
        found = self.get_queryset(request).filter(pk=key)
        if not found:
            raise Http404
        is_traced = request.GET.get("from") == "trace"  # where its event is followed
        way = ("admin:sync_event_traced", found[0].event_id) if is_traced else ("admin:sync_delivery_change", key)
        return self._asked(request, found, reverse(way[0], args=way[1:]))

    def _asked(self, request, rows, back: str):
        form = WhyForm(request.POST if "reason" in request.POST else None)
        keys = [*rows.order_by("position").values_list("pk", flat=True)[: replays.MOST + 1]]
        if form.is_valid():
            try:
                _tell(request, replays.resend(keys, by=f"staff/{request.user.pk}", **form.cleaned_data), len(keys))
                return redirect(back)
            except replays.NotReplayed as error:
                form.add_error(None, str(error))
        first = rows.select_related("event", "endpoint__channel").order_by("position")[:FEW]
        kept = chain.from_iterable(((name, each) for each in request.POST.getlist(name)) for name in KEPT)
        told = {"title": _("Send again"), "rows": first, "count": len(keys), "has_more": len(keys) > FEW}
        known = told | {"form": form, "kept": [*kept], "back": back, "opts": self.opts}
        return TemplateResponse(request, "admin/sync/again.html", self.admin_site.each_context(request) | known)


def _tell(request, done: int, chosen: int) -> None:
    if done:
        messages.success(request, gettext("Sent again: %(count)s") % {"count": done})
    if done < chosen:
        told = gettext("Left alone, for they are under way, too old, or not to be sent any more: %(count)s")
        messages.warning(request, told % {"count": chosen - done})


def _progress(replay: Replay) -> str:
    whole = replay.last - replay.first + 1
    done = 100 if replay.reached >= replay.last else 100 * max(replay.reached - replay.first + 1, 0) // max(whole, 1)
    if replay.finished_at and done < 100:
        return shown.tag(gettext("Stopped at %(share)s %%") % {"share": done}, shown.QUIET)
    return shown.tag(f"{done} %", shown.GOOD if done == 100 else shown.BUSY)


def _way(title, to: str, query: str = ""):
    def way(request, row) -> dict | None:
        if not request.user.has_perm(REPLAY):
            return None
        return {"title": title, "url": reverse(to, args=[] if query else [row.pk]) + (query and f"{query}{row.pk}")}

    return way


AGAIN = _way(_("Send again"), "admin:sync_delivery_again")
show_on(
    Endpoint,
    Panel(
        Replay,
        lambda it: {"endpoint": it},
        lambda it: {"endpoint__id__exact": it.pk},
        without=("endpoint",),
        way=_way(_("Replay a range"), "admin:sync_replay_add", "?endpoint="),
    ),
)

"""The watch: alerts and their rules, reconciliations and what they found, figures."""

from django.contrib import admin
from django.db.models import CharField, OuterRef, Subquery, Value
from django.db.models.functions import Cast, Concat
from django.utils.translation import gettext_lazy as _

from sync.admin import scope, search, shown
from sync.admin.outside import judging
from sync.admin.pages import HubAdmin, StillOpen
from sync.admin.panels import Panel, show_on
from sync.models import Alert, AlertRule, Discrepancy, Endpoint, Measure, Notice, ReconciliationRun


@admin.register(AlertRule)
class AlertRuleAdmin(HubAdmin):
    list_display = ["name", "code", "measure", "threshold", "window_seconds", shown.yes("is_active", _("Active"))]
    list_filter = ["is_active"]
    editable = ("name", "window_seconds", "threshold", "minimum", "emails", "webhook_url", "is_active")
    on_adding = ("code", "measure", "name", "window_seconds", "threshold", "minimum", "emails", "webhook_url")
    fieldsets = [
        (None, {"fields": [("name", "code"), "is_active"]}),
        (_("When"), {"fields": [("measure", "threshold"), ("window_seconds", "minimum")]}),
        (_("Whom to tell"), {"fields": ["emails", "webhook_url"]}),
    ]

    def get_form(self, request, obj=None, **kwargs):
        return judging(super().get_form(request, obj, **kwargs), "webhook_url")


@admin.register(Alert)
class AlertAdmin(HubAdmin):
    list_display = [
        shown.link("rule", _("Rule")),
        shown.computed("about", _("About"), lambda alert: alert.known_as or alert.subject or shown.EMPTY),
        shown.computed("value", _("Value"), lambda alert: f"{alert.value:.3g}"),
        shown.computed(
            "is",
            _("State"),
            lambda it: shown.tag(_("Resolved"), shown.GOOD) if it.resolved_at else shown.tag(_("Open"), shown.BAD),
        ),
        shown.at("opened_at", _("Opened")),
        shown.at("resolved_at", _("Resolved")),
    ]
    list_display_links = ["is"]
    list_select_related = ["rule"]
    list_filter = [StillOpen]
    ordering = ["-id"]
    fieldsets = [
        (None, {"fields": [list_display[0], list_display[1], list_display[2]]}),
        (_("Times"), {"fields": [list_display[4], shown.at("told_at", _("Told")), list_display[5]]}),
    ]

    def get_queryset(self, request):
        """With the endpoint an alert is about by name, if the reader holds its channel."""
        seen = scope.sight(request)
        held = Endpoint.objects.all() if seen.is_whole else Endpoint.objects.filter(channel__in=seen.channels)
        named = held.annotate(subject=Concat(Value("endpoint/"), Cast("pk", CharField())))
        known_as = named.filter(subject=OuterRef("subject")).values(
            words=Concat("channel__name", Value(" · "), "url", output_field=CharField())
        )
        return super().get_queryset(request).annotate(known_as=Subquery(known_as[:1]))


@admin.register(Notice)
class NoticeAdmin(HubAdmin):
    list_display = ["moment", "medium", "to", "tries", shown.at("sent_at", _("Sent")), "error"]
    ordering = ["-id"]
    fieldsets = [
        (None, {"fields": [shown.link("alert", _("Alert")), *list_display, shown.at("next_at", _("Next try"))]})
    ]


@admin.register(ReconciliationRun)
class ReconciliationRunAdmin(HubAdmin):
    list_display = [
        shown.fact("name", _("Reconciliation")),
        shown.computed(
            "outcome",
            _("Outcome"),
            lambda it: shown.tag(
                _("Failed") if it.error else it.found, shown.BAD if it.error or it.found else shown.GOOD
            ),
        ),
        shown.at("started_at", _("Started")),
        shown.at("finished_at", _("Finished")),
    ]
    ordering = ["-id"]
    searches = [search.exactly("name")]
    fieldsets = [(None, {"fields": [*list_display, "error"]})]


@admin.register(Discrepancy)
class DiscrepancyAdmin(HubAdmin):
    list_display = [
        shown.subject("subject", _("Subject")),
        shown.code("field", _("Field")),
        "expected",
        "found",
        shown.fact("reconciliation", _("Reconciliation")),
        shown.at("first_seen_at", _("First seen")),
        shown.at("resolved_at", _("Resolved")),
    ]
    list_filter = [StillOpen]
    ordering = ["-id"]
    list_display_links = ["field"]
    searches = [search.by_pattern(r"[a-z_]+/\S+", "subject"), search.exactly("reconciliation")]
    search_help_text = _("Subject, as account/<id>")
    fieldsets = [
        (None, {"fields": [(shown.subject("subject", _("Subject")), "field"), ("expected", "found")]}),
        (
            _("Times"),
            {"fields": [*list_display[4:6], shown.at("last_seen_at", _("Last seen")), list_display[6]]},
        ),
    ]


@admin.register(Measure)
class MeasureAdmin(HubAdmin):
    list_display = ["name", shown.at("at", _("Minute")), "value", "samples"]
    ordering = ["-id"]
    searches = [search.exactly("name")]
    fieldsets = [(None, {"fields": list_display})]


show_on(Alert, Panel(Notice, lambda alert: {"alert": alert}))
show_on(AlertRule, Panel(Alert, lambda rule: {"rule": rule}, without=("rule",)))

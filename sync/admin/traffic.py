"""What travels: events, deliveries and their attempts. Looked at, never edited."""

from django.contrib import admin
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import RangeDateTimeFilter

from sync.admin import replays, scope, search, shown, tracing
from sync.admin.masking import masked
from sync.admin.pages import ByChannel, HubAdmin
from sync.admin.panels import Panel, show_on
from sync.models import (
    Acknowledged,
    Attempt,
    Audience,
    Batch,
    Delivery,
    Event,
    Heartbeat,
    Horizon,
    IdempotentAnswer,
    Quota,
    Settled,
    Stream,
    Ticket,
)


@admin.register(Event)
class EventAdmin(HubAdmin):
    within = staticmethod(scope.of_event())
    list_display = [
        shown.fact("type", _("Type")),
        shown.subject("subject", _("Subject")),
        "sequence",
        shown.code("source", _("Source")),
        shown.at("time", _("Time")),
        shown.at("settled__at", _("Settled")),
        tracing.link(_("Its way")),
    ]
    list_select_related = ["settled"]
    list_filter = [("time", RangeDateTimeFilter)]
    list_filter_submit = True
    lookups = ("subject__exact", "subject", "correlation_id__exact")
    ordering = ["-id"]
    searches = [
        search.by_id("pk"),
        search.by_pattern(r"(member|order)/\S+", "subject"),
        search.by_pattern(r"[a-z]+\.[a-z_]+", "type"),
        search.exactly("correlation_id"),
    ]
    search_help_text = _("Event id, subject, type or request id")
    fieldsets = [
        (
            None,
            {
                "fields": [
                    (shown.fact("type", _("Type")), shown.subject("subject", _("Subject"))),
                    ("sequence", shown.code("id", _("Id"))),
                ]
            },
        ),
        (_("Origin"), {"fields": [("source", "actor"), "correlation_id"]}),
        (_("On its way"), {"fields": [(shown.at("time", _("Time")), shown.at("settled__at", _("Settled")))]}),
        (_("Content"), {"fields": [shown.laid_out("data", _("Data"))]}),
    ]

    def get_urls(self):
        return [*tracing.urls(self), *super().get_urls()]


@admin.register(Delivery)
class DeliveryAdmin(replays.Again, HubAdmin):
    within = staticmethod(scope.of_channel("endpoint__channel"))
    list_display = [
        shown.computed("id", _("Id"), lambda it: it.pk),
        shown.fact("event__type", _("Event")),
        shown.computed("endpoint", _("Endpoint"), lambda it: _channel_of(it.endpoint)),
        shown.state("state", _("State")),
        "attempts",
        shown.at("created_at", _("Created")),
        shown.at("next_at", _("Next attempt")),
        shown.at("finished_at", _("Finished")),
    ]
    list_select_related = ["event", "endpoint__channel"]
    list_filter = [ByChannel.at("endpoint__channel"), "state", ("created_at", RangeDateTimeFilter)]
    list_filter_submit = True
    lookups = ("endpoint__id__exact", "event__id__exact")
    ordering = ["-id"]
    searches = [search.by_id("event_id", "endpoint_id"), search.by_pattern(r"(member|order)/\S+", "subject")]
    search_help_text = _("Event id, endpoint id or subject")
    fieldsets = [
        (
            None,
            {
                "fields": [
                    (shown.link("event", _("Event")), shown.link("endpoint", _("Endpoint"))),
                    shown.subject("subject", _("Subject")),
                ]
            },
        ),
        (_("State"), {"fields": [(shown.state("state", _("State")), "attempts"), "position"]}),
        (
            _("Times"),
            {
                "fields": [
                    (shown.at("created_at", _("Created")), shown.at("next_at", _("Next attempt"))),
                    shown.at("finished_at", _("Finished")),
                ]
            },
        ),
    ]


@admin.register(Attempt)
class AttemptAdmin(HubAdmin):
    within = staticmethod(scope.of_channel("delivery__endpoint__channel"))
    list_display = [
        shown.at("at", _("At")),
        shown.computed("delivery__endpoint", _("Endpoint"), lambda it: _channel_of(it.delivery.endpoint)),
        shown.fact("delivery__event__type", _("Event")),
        shown.computed("status", _("Answer"), lambda it: shown.tag(it.status or it.error or "–", _tone_of(it.status))),
        "milliseconds",
    ]
    list_select_related = ["delivery__endpoint__channel", "delivery__event"]
    list_filter = [ByChannel.at("delivery__endpoint__channel"), ("at", RangeDateTimeFilter)]
    list_filter_submit = True
    lookups = ("delivery__id__exact",)
    ordering = ["-id"]
    fieldsets = [
        (None, {"fields": [shown.link("delivery", _("Delivery")), shown.link("delivery__endpoint", _("Endpoint"))]}),
        (
            _("What came back"),
            {
                "fields": [
                    ("status", "error"),
                    (shown.at("at", _("At")), "milliseconds"),
                    ("connected", "sent", "answered"),
                    shown.computed("response", _("head of the answer"), lambda it: masked(it.response) or shown.EMPTY),
                ]
            },
        ),
    ]


@admin.register(Stream)
class StreamAdmin(HubAdmin):
    within = staticmethod(scope.of_subject())
    list_display = ["subject", "head"]
    ordering = ["pk"]
    searches = [search.exactly("subject")]
    fieldsets = [(None, {"fields": ["subject", "head"]})]


@admin.register(Audience)
class AudienceAdmin(HubAdmin):
    within = staticmethod(scope.of_channel())
    list_display = ["subject", "channel", shown.at("since", _("Since"))]
    list_select_related = ["channel"]
    list_filter = [ByChannel]
    ordering = ["-id"]
    searches = [search.exactly("subject")]
    fieldsets = [(None, {"fields": list_display})]


@admin.register(Acknowledged)
class AcknowledgedAdmin(AudienceAdmin):
    list_display = ["subject", "channel", "sequence", shown.at("at", _("At"))]
    fieldsets = [(None, {"fields": list_display})]


@admin.register(Settled)
class SettledAdmin(HubAdmin):
    within = staticmethod(scope.of_event("event__"))
    list_display = ["position", shown.link("event", _("Event")), shown.at("at", _("Settled"))]
    list_select_related = ["event"]
    ordering = ["-position"]
    fieldsets = [(None, {"fields": list_display})]


@admin.register(Batch)
class BatchAdmin(HubAdmin):
    list_display = ["id", shown.at("at", _("At"))]
    ordering = ["-id"]
    fieldsets = [(None, {"fields": list_display})]


@admin.register(Horizon)
class HorizonAdmin(HubAdmin):
    list_display = ["position", shown.at("at", _("At"))]
    fieldsets = [(None, {"fields": list_display})]


@admin.register(Heartbeat)
class HeartbeatAdmin(HubAdmin):
    list_display = ["name", shown.at("at", _("Last seen"))]
    fieldsets = [(None, {"fields": [*list_display, shown.laid_out("data", _("What it said"))]})]


@admin.register(IdempotentAnswer)
class IdempotentAnswerAdmin(HubAdmin):
    list_display = ["key", "caller", "status", shown.at("created_at", _("Created"))]
    ordering = ["-id"]
    searches = [search.exactly("key")]
    fieldsets = [(None, {"fields": list_display})]


@admin.register(Quota)
class QuotaAdmin(HubAdmin):
    list_display = ["id", shown.at("window", _("Window")), "count"]  # the key may hold what a person typed
    ordering = ["-id"]
    fieldsets = [(None, {"fields": list_display})]


@admin.register(Ticket)
class TicketAdmin(HubAdmin):
    within = staticmethod(scope.of_channel())
    list_display = ["kind", "subject", "channel", shown.at("expires_at", _("Expires")), shown.at("used_at", _("Used"))]
    list_display_links = None  # its key is a secret's hash
    list_select_related = ["channel"]
    ordering = ["-expires_at"]
    fieldsets = [(None, {"fields": list_display})]


def _channel_of(endpoint) -> str:
    return shown.linked(endpoint, endpoint.channel)


def _tone_of(status: int | None) -> str:
    return shown.GOOD if status and 200 <= status < 300 else shown.BAD


show_on(
    Delivery,
    Panel(
        Attempt,
        lambda it: {"delivery": it},
        title=_("Attempts"),
        without=("delivery__endpoint", "delivery__event__type"),
        way=replays.AGAIN,
    ),
)

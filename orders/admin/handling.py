"""How orders are handled: a channel's terms, facts that came too late, manual work, recipients shown."""

from django.contrib import admin
from django.db.models import Q
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import RangeDateTimeFilter

from orders.admin.columns import naming, person
from orders.models import Disclosure, Intervention, OrderTerms, Recipient, Superseded
from sync.admin import scope, search, shown
from sync.admin.pages import HubAdmin
from sync.secret import mask_name, mask_phone


@admin.register(OrderTerms)
class OrderTermsAdmin(HubAdmin):
    within = staticmethod(scope.of_channel())
    list_display = [
        "channel",
        shown.computed("closes", _("Closes unpaid after"), lambda it: _("%s min") % it.close_after_minutes),
        shown.computed("completes", _("Completes after signing"), lambda it: _("%s d") % it.complete_after_days),
        shown.state("misfits", _("Money that does not fit")),
        shown.yes("uploads_shipping", _("Tells WeChat of shipping")),
        shown.yes("falls_back_to_sms", _("Text messages")),
    ]
    list_select_related = ["channel"]
    timing = ("close_after_minutes", "complete_after_days", "complete_shipped_after_days")
    editable = (*timing, "misfits", "uploads_shipping", "falls_back_to_sms")
    on_adding = ("channel", *editable)
    fieldsets = [
        (None, {"fields": ["channel"]}),
        (_("By itself"), {"fields": [timing[0], timing[1:], "misfits"]}),
        (_("Whom to tell"), {"fields": ["uploads_shipping", "falls_back_to_sms"]}),
    ]


@admin.register(Superseded)
class SupersededAdmin(HubAdmin):
    within = staticmethod(scope.of_channel("order__channel"))
    list_display = [
        shown.fact("type", _("Type")),
        shown.link("order", _("Order")),
        shown.computed("reason", _("Why it changed nothing"), lambda it: it.reason),
        person("by", _("By")),
        shown.at("occurred_at", _("Happened")),
        shown.at("at", _("Received")),
    ]
    list_select_related = ["order"]
    ordering = ["-id"]
    searches = [search.by_number("D", "order__number")]
    search_help_text = _("Order number")
    fieldsets = [(None, {"fields": list_display})]

    def get_queryset(self, request):
        return super().get_queryset(request).annotate(**naming("by"))


def handled_within(channels):
    """Manual work on orders, or on money without an order, of the channels that are held."""
    return Q(order__channel__in=channels) | Q(order=None, case__channel__in=channels)


@admin.register(Intervention)
class InterventionAdmin(HubAdmin):
    within = staticmethod(handled_within)
    list_display = [
        shown.at("at", _("At")),
        shown.state("kind", _("Manual work")),
        shown.link("order", _("Order")),
        shown.computed("reason", _("Reason"), lambda it: it.reason),
        person("by", _("By")),
    ]
    list_select_related = ["order", "case"]
    list_filter = ["kind", ("at", RangeDateTimeFilter)]
    list_filter_submit = True
    ordering = ["-id"]
    searches = [search.by_number("D", "order__number"), search.by_pattern(r"staff/[0-9]+", "by")]
    search_help_text = _("Order number")
    fieldsets = [(None, {"fields": [*list_display, shown.link("case", _("Payment case"))]})]

    def get_queryset(self, request):
        return super().get_queryset(request).annotate(**naming("by"))


@admin.register(Recipient)
class RecipientAdmin(HubAdmin):
    within = staticmethod(scope.of_channel("order__channel"))
    list_display = [
        shown.link("order", _("Order")),
        shown.computed("receiver", _("Receiver"), lambda it: mask_name(it.receiver or "")),
        shown.computed("phone", _("Phone"), lambda it: mask_phone(it.phone) or shown.EMPTY),
    ]
    list_display_links = None
    list_select_related = ["order"]
    ordering = ["-id"]
    searches = [search.by_phone("phone_index"), search.by_number("D", "order__number")]
    search_help_text = _("Phone or order number")
    fieldsets = [(None, {"fields": list_display})]

    def get_queryset(self, request):
        return (
            super().get_queryset(request).defer(None).defer("address", "phone_index", "phone_index_2")
        )  # opened for their masks


@admin.register(Disclosure)
class DisclosureAdmin(HubAdmin):
    within = staticmethod(scope.of_channel("order__channel"))
    list_display = [
        shown.link("order", _("Order")),
        shown.at("at", _("At")),
        shown.computed("what", _("What was shown"), lambda it: it.get_what_display()),
        "actor",
        shown.computed("reason", _("Reason"), lambda it: it.reason or shown.EMPTY),
        shown.code("correlation_id", _("Request")),
    ]
    list_display_links = ["actor"]
    list_select_related = ["order"]
    list_filter = ["what"]
    ordering = ["-id"]
    searches = [search.by_number("D", "order__number"), search.exactly("actor", "correlation_id")]
    search_help_text = _("Order number or request")
    fieldsets = [(None, {"fields": list_display})]

"""Money: payments, what does not fit, who takes it."""

from django.contrib import admin
from django.db.models import Q
from django.urls import path
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import RangeDateTimeFilter

from orders.admin import acts, keys
from orders.admin.bills import of_merchant
from orders.admin.columns import naming, person, provider, state
from orders.models import Merchant, MerchantKey, Payment, PaymentCase
from sync.admin import scope, search, shown
from sync.admin.pages import ByChannel, HubAdmin, StillOpen


def case_within(channels):
    """Cases of orders, or of money without an order, of the channels that are held."""
    return Q(order__channel__in=channels) | Q(order=None, channel__in=channels)


@admin.register(Payment)
class PaymentAdmin(HubAdmin):
    within = staticmethod(scope.of_channel("order__channel"))
    list_display = [
        shown.link("order", _("Order")),
        shown.computed("provider", _("Provider"), lambda it: provider(it.provider)),
        "method",
        shown.state("state", _("State")),
        shown.money("amount_fen", _("Amount")),
        shown.code("transaction_id", _("Provider's number")),
        shown.at("created_at", _("Opened")),
        shown.at("paid_at", _("Paid at")),
    ]
    list_display_links = ["provider"]
    list_select_related = ["order", "merchant"]
    list_filter = [ByChannel.at("order__channel"), "state", ("created_at", RangeDateTimeFilter)]
    list_filter_submit = True
    ordering = ["-id"]
    searches = [search.by_number("D", "order__number"), search.by_id("pk"), search.exactly("transaction_id")]
    search_help_text = _("Order number or payment number")
    fieldsets = [
        (None, {"fields": [list_display[0], (list_display[1], "method"), (list_display[3], list_display[4])]}),
        (_("At the provider"), {"fields": ["transaction_id", ("merchant", "app_id")]}),
        (
            _("Times"),
            {
                "fields": [
                    (list_display[6], list_display[7]),
                    (shown.at("expires_at", _("Expires")), shown.at("asked_at", _("Asked about"))),
                    "asks",
                ]
            },
        ),
    ]


@admin.register(PaymentCase)
class PaymentCaseAdmin(HubAdmin):
    within = staticmethod(case_within)
    list_display = [
        shown.state("kind", _("Kind")),
        shown.link("order", _("Order")),
        shown.computed("provider", _("Provider"), lambda it: provider(it.provider)),
        shown.code("transaction_id", _("Provider's number")),
        shown.money("amount_fen", _("Amount")),
        shown.computed("proposed", _("Proposed"), lambda it: it.get_proposed_display()),
        shown.computed("action", _("What was done"), lambda it: state(it, "action")),
        shown.at("created_at", _("Opened")),
        shown.at("resolved_at", _("Resolved")),
    ]
    list_select_related = ["order"]
    list_filter = [StillOpen, "kind"]
    ordering = ["-id"]
    searches = [search.by_number("D", "order__number"), search.exactly("transaction_id", "out_trade_no")]
    search_help_text = _("Order number or payment number")
    fieldsets = [
        (None, {"fields": [(list_display[0], list_display[1]), (list_display[4], list_display[5])]}),
        (
            _("At the provider"),
            {"fields": [(list_display[2], list_display[3]), ("out_trade_no", "merchant")]},
        ),
        (
            _("What was done"),
            {
                "fields": [
                    (list_display[6], person("resolved_by", _("By"))),
                    (list_display[8], shown.at("paid_at", _("Paid at"))),
                ]
            },
        ),
    ]
    change_form_outer_before_template = "admin/ways.html"

    def get_urls(self):
        return [*acts.case_urls(self), *super().get_urls()]

    def explained(self, request, row) -> dict:
        return {"ways": acts.ways_of(request, row.order, case=row)}

    def get_queryset(self, request):
        return super().get_queryset(request).annotate(**naming("resolved_by"))


@admin.register(Merchant)
class MerchantAdmin(HubAdmin):
    within = staticmethod(of_merchant())
    list_display = ["name", "mchid", "serial"]
    fieldsets = [(None, {"fields": list_display})]

    def get_urls(self):
        return [path("<uuid:key>/add-key/", keys.view_of(self), name="orders_merchant_add_key"), *super().get_urls()]


@admin.register(MerchantKey)
class MerchantKeyAdmin(HubAdmin):
    within = staticmethod(of_merchant("merchant__"))
    list_display = ["serial", "merchant"]
    list_select_related = ["merchant"]
    fieldsets = [(None, {"fields": [*list_display, "public_key"]})]

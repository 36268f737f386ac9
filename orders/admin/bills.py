"""What WeChat Pay says of each day: its trade bills, looked at when sums do not agree."""

from django.contrib import admin
from django.db.models import Q
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import RangeDateTimeFilter

from orders.models import Bill, BillLine
from sync.admin import search, shown
from sync.admin.pages import HubAdmin
from sync.admin.panels import Panel, show_on


def of_merchant(path: str = ""):
    """Rows of the merchants of the channels that are held; `path` leads to the merchant, as in `bill__`."""
    return lambda channels: Q(**{f"{path}mchid__in": [each.merchant_id for each in channels if each.merchant_id]})


def fees(field: str, label):
    """A column of fees, kept in thousandths of a fen, shown as yuan to the fen."""
    return shown.computed(field, label, lambda it: shown.yuan(round(getattr(it, field) / 1000)))


@admin.register(Bill)
class BillAdmin(HubAdmin):
    within = staticmethod(of_merchant("merchant__"))
    list_display = [
        "billed_on",
        "merchant",
        shown.state("state", _("State")),
        "trades",
        shown.money("ordered_fen", _("Ordered")),
        shown.money("refunded_fen", _("Refunded")),
        shown.money("settled_fen", _("To be settled")),
        fees("fee_millifen", _("Fees")),
        shown.at("kept_at", _("Kept")),
    ]
    list_select_related = ["merchant"]
    list_filter = ["state"]
    ordering = ["-billed_on", "-id"]
    searches = [search.by_pattern(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", "billed_on"), search.by_id("pk")]
    search_help_text = _("Day, as 2026-11-22")
    fieldsets = [
        (None, {"fields": [("billed_on", "merchant"), (list_display[2], "trades")]}),
        (_("Amounts"), {"fields": [tuple(list_display[4:6]), tuple(list_display[6:8])]}),
        (_("How it went"), {"fields": [("tries", shown.at("next_at", _("Next try"))), list_display[8], "problem"]}),
    ]


@admin.register(BillLine)
class BillLineAdmin(HubAdmin):
    within = staticmethod(of_merchant("bill__merchant__"))
    list_display = [
        shown.at("traded_at", _("Time")),
        shown.code("transaction_id", _("Provider's number")),
        "trade_state",
        shown.money("ordered_fen", _("Ordered")),
        shown.money("settled_fen", _("To be settled")),
        shown.money("refunded_fen", _("Refunded")),
        fees("fee_millifen", _("Fees")),
        shown.link("bill", _("Trade bill")),
    ]
    list_select_related = ["bill"]
    list_filter = [("traded_at", RangeDateTimeFilter)]
    list_filter_submit = True
    ordering = ["-id"]
    searches = [search.exactly("transaction_id", "out_trade_no", "out_refund_no")]
    search_help_text = _("Provider's number, or ours")
    fieldsets = [
        (None, {"fields": [*list_display, ("out_trade_no", "trade_type"), ("app_id", "rate")]}),
        (_("Refund"), {"fields": [("refund_id", "out_refund_no"), ("refund_type", "refund_state")]}),
    ]


show_on(Bill, Panel(BillLine, lambda it: {"bill": it}, without=("bill",), order=("position",), few=20))

"""What members bought, as points see it: by line what was paid, earned and taken back."""

from django.contrib import admin
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import RangeDateTimeFilter

from loyalty.models import Account, Entry, Purchase, PurchaseLine, PurchaseRefund
from sync.admin import scope, search, shown
from sync.admin.pages import ByChannel, HubAdmin
from sync.admin.panels import Panel, show_on


@admin.register(Purchase)
class PurchaseAdmin(HubAdmin):
    within = staticmethod(scope.of_channel())
    list_display = [
        shown.at("paid_at", _("Paid at")),
        shown.code("order_number", _("Order")),
        shown.link("account__member", _("Member")),
        "channel",
        shown.money("paid_fen", _("Paid")),
        shown.money("refunded_fen", _("Refunded")),
        shown.points("points", _("Points")),
        shown.points("reversed_points", _("Points taken back")),
        shown.computed("rule", _("Earn rule"), lambda it: shown.linked(it.rule)),
    ]
    list_select_related = ["account__member", "channel", "rule"]
    list_filter = [ByChannel, ("paid_at", RangeDateTimeFilter)]
    list_filter_submit = True
    ordering = ["-id"]
    searches = [
        search.by_number("D", "order_number"),
        search.by_number("M", "account__member__number"),
        search.by_phone("account__member__phone_index"),
        search.by_id("pk", "account_id", "account__member_id"),
    ]
    search_help_text = _("Order number, phone or member number")
    fieldsets = [
        (None, {"fields": [(list_display[1], list_display[2]), ("channel", list_display[0])]}),
        (_("Money"), {"fields": [(list_display[4], list_display[5])]}),
        (
            _("Points"),
            {
                "fields": [
                    (list_display[6], list_display[7]),
                    (shown.points("growth", _("Growth")), shown.points("lost_growth", _("Growth taken back"))),
                    (shown.link("entry", _("Points entry")), list_display[8]),
                    shown.computed("tier", _("Tier when paid"), lambda it: it.tier or shown.EMPTY),
                ]
            },
        ),
    ]


@admin.register(PurchaseLine)
class PurchaseLineAdmin(HubAdmin):
    """All of them side by side; they are looked at on the page of their purchase."""

    within = staticmethod(scope.of_channel("purchase__channel"))
    list_display = [
        shown.computed("sku", _("SKU"), lambda it: it.sku or _("Shipping")),
        shown.link("purchase", _("Purchase")),
        shown.money("fen", _("Paid")),
        shown.money("refunded_fen", _("Refunded")),
        shown.points("points", _("Points")),
        shown.points("reversed_points", _("Points taken back")),
    ]
    list_select_related = ["purchase"]
    ordering = ["-id"]
    searches = [search.by_number("D", "purchase__order_number"), search.exactly("sku")]
    search_help_text = _("Order number or SKU")
    fieldsets = [
        (None, {"fields": [(list_display[0], list_display[1]), tuple(list_display[2:4]), tuple(list_display[4:])]})
    ]


@admin.register(PurchaseRefund)
class PurchaseRefundAdmin(HubAdmin):
    within = staticmethod(scope.of_channel("purchase__channel"))
    list_display = [
        shown.at("at", _("Time")),
        shown.code("reference", _("Refund")),
        shown.link("purchase", _("Purchase")),
        shown.money("fen", _("Refunded")),
        shown.points("points", _("Points taken back")),
        shown.points("owed", _("Owed since")),
        shown.points("forgiven", _("Forgiven")),
        shown.money("deducted_fen", _("Taken off the refund")),
    ]
    list_select_related = ["purchase"]
    list_filter = [("at", RangeDateTimeFilter)]
    list_filter_submit = True
    ordering = ["-id"]
    searches = [search.by_number("D", "purchase__order_number"), search.exactly("reference")]
    search_help_text = _("Order number or refund")
    fieldsets = [
        (None, {"fields": [(list_display[1], list_display[0]), (list_display[2], list_display[3])]}),
        (
            _("Points"),
            {
                "fields": [
                    (list_display[4], shown.points("growth", _("Growth taken back"))),
                    (list_display[5], list_display[6]),
                    (list_display[7], shown.link("entry", _("Points entry"))),
                ]
            },
        ),
    ]


show_on(
    Purchase,
    Panel(PurchaseLine, lambda it: {"purchase": it}, without=("purchase",), order=("id",), place=10, few=50),
    Panel(PurchaseRefund, lambda it: {"purchase": it}, without=("purchase",), place=20),
)
show_on(
    Account,
    Panel(Purchase, lambda it: {"account": it}, lambda it: {"q": it.pk}, without=("account__member",), place=45),
)
show_on(Entry, Panel(Purchase, lambda it: {"entry": it}, without=("account__member",), place=15, quiet=True))

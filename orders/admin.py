"""Orders as staff see them: looked at, found by number, waybill or phone; changed only by acts."""

from django.contrib import admin
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import RangeDateTimeFilter

from loyalty.models import Entry, Purchase, PurchaseRefund
from members.models import Member
from orders.models import Disclosure, Line, Merchant, MerchantKey, Order, Payment, PaymentCase, Recipient
from sync import events
from sync.admin import scope, search, shown
from sync.admin.pages import ByChannel, HubAdmin, StillOpen
from sync.admin.panels import Panel, show_on
from sync.models import Event
from sync.secret import mask_name, mask_phone


@admin.register(Order)
class OrderAdmin(HubAdmin):
    within = staticmethod(scope.of_channel())
    list_display = [
        "number",
        "channel",
        shown.link("member", _("Member")),
        shown.state("payment_status", _("Payment")),
        shown.state("fulfilment_status", _("Fulfilment")),
        shown.state("refund_status", _("Refund")),
        shown.money("total_fen", _("Total")),
        shown.points("points_earned", _("Points earned")),
        shown.at("placed_at", _("Placed")),
    ]
    list_select_related = ["channel", "member"]
    list_filter = [
        ByChannel,
        "payment_status",
        "fulfilment_status",
        "refund_status",
        ("placed_at", RangeDateTimeFilter),
    ]
    list_filter_submit = True
    ordering = ["-placed_at", "-id"]
    searches = [
        search.by_phone("member__phone_index"),
        search.by_number("D", "number"),
        search.by_number("M", "member__number"),
        search.by_id("pk", "member_id"),
        search.exactly("external_id", "payments__transaction_id"),
    ]
    search_help_text = _("Order number, channel's number, payment number, phone or member number")
    fieldsets = [
        (None, {"fields": [("number", "external_id"), ("channel", shown.link("member", _("Member")))]}),
        (_("Status"), {"fields": [(list_display[3], list_display[4], list_display[5])]}),
        (
            _("Amounts"),
            {
                "fields": [
                    (shown.money("items_fen", _("Items")), shown.money("shipping_fen", _("Shipping"))),
                    (shown.money("discount_fen", _("Discount")), shown.money("points_discount_fen", _("By points"))),
                    (shown.money("total_fen", _("Total")), shown.money("paid_fen", _("Paid"))),
                    (shown.money("refunded_fen", _("Refunded")), "points_redeemed", "points_earned"),
                ]
            },
        ),
        (
            _("Times"),
            {
                "fields": [
                    (shown.at("placed_at", _("Placed")), shown.at("paid_at", _("Paid at"))),
                    (shown.at("completed_at", _("Completed at")), shown.at("updated_at", _("Changed"))),
                    ("version", "is_history"),
                ]
            },
        ),
    ]


@admin.register(Line)
class LineAdmin(HubAdmin):
    within = staticmethod(scope.of_channel("order__channel"))
    list_display = [
        "name",
        shown.code("sku", _("SKU")),
        "quantity",
        shown.money("unit_price_fen", _("Unit price")),
        "refunded_quantity",
        shown.link("order", _("Order")),
    ]
    list_select_related = ["order"]
    ordering = ["-id"]
    searches = [search.by_number("D", "order__number")]
    search_help_text = _("Order number")
    fieldsets = [(None, {"fields": [*list_display, "external_line_id"]})]


@admin.register(Payment)
class PaymentAdmin(HubAdmin):
    within = staticmethod(scope.of_channel("order__channel"))
    list_display = [
        shown.link("order", _("Order")),
        "provider",
        "method",
        shown.state("state", _("State")),
        shown.money("amount_fen", _("Amount")),
        shown.code("transaction_id", _("Provider's number")),
        shown.at("created_at", _("Opened")),
        shown.at("paid_at", _("Paid at")),
    ]
    list_display_links = ["provider"]
    list_select_related = ["order"]
    list_filter = [ByChannel.at("order__channel"), "state", ("created_at", RangeDateTimeFilter)]
    list_filter_submit = True
    ordering = ["-id"]
    searches = [search.by_number("D", "order__number"), search.by_id("pk"), search.exactly("transaction_id")]
    search_help_text = _("Order number or payment number")
    fieldsets = [
        (None, {"fields": [list_display[0], ("provider", "method"), (list_display[3], list_display[4])]}),
        (_("At the provider"), {"fields": ["transaction_id", ("merchant", "app_id")]}),
        (_("Times"), {"fields": [(list_display[6], list_display[7]), shown.at("expires_at", _("Expires"))]}),
    ]


@admin.register(PaymentCase)
class PaymentCaseAdmin(HubAdmin):
    within = staticmethod(lambda channels: scope.Q(order__channel__in=channels))
    list_display = [
        shown.state("kind", _("Kind")),
        shown.link("order", _("Order")),
        "provider",
        shown.code("transaction_id", _("Provider's number")),
        shown.money("amount_fen", _("Amount")),
        shown.at("created_at", _("Opened")),
        shown.at("resolved_at", _("Resolved")),
    ]
    list_select_related = ["order"]
    list_filter = [StillOpen, "kind"]
    ordering = ["-id"]
    searches = [search.by_number("D", "order__number"), search.exactly("transaction_id", "out_trade_no")]
    search_help_text = _("Order number or payment number")
    fieldsets = [(None, {"fields": [*list_display, "out_trade_no", shown.at("paid_at", _("Paid at"))]})]


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
        "actor",
        shown.code("correlation_id", _("Request")),
    ]
    list_display_links = ["actor"]
    list_select_related = ["order"]
    ordering = ["-id"]
    searches = [search.by_number("D", "order__number"), search.exactly("actor", "correlation_id")]
    search_help_text = _("Order number or request")
    fieldsets = [(None, {"fields": list_display})]


@admin.register(Merchant)
class MerchantAdmin(HubAdmin):
    list_display = ["name", "mchid", "serial"]
    fieldsets = [(None, {"fields": list_display})]


@admin.register(MerchantKey)
class MerchantKeyAdmin(HubAdmin):
    list_display = ["serial", "merchant"]
    list_select_related = ["merchant"]
    fieldsets = [(None, {"fields": [*list_display, "public_key"]})]


def _of(order):
    return {"order": order}


def _points_of(order):
    """The entries that an order and its refunds made."""
    earned = Purchase.objects.filter(order_number=order.number).values_list("entry", flat=True)
    back = PurchaseRefund.objects.filter(purchase__order_number=order.number).values_list("entry", flat=True)
    return {"pk__in": [*earned, *back]}


def _order_of(entry):
    """The order whose payment an entry stands for (order:<number>:paid), or that it takes back."""
    told = (entry.reverses or entry).reference.split(":")
    return {"number": told[1] if len(told) == 3 and told[0] == "order" else ""}


show_on(Member, Panel(Order, lambda it: {"member": it}, lambda it: {"q": it.number}, without=("member",), place=30))
show_on(
    Order,
    Panel(Line, _of, without=("order",)),
    Panel(Payment, _of, without=("order",)),
    Panel(PaymentCase, _of, without=("order",), quiet=True),
    Panel(Recipient, _of, without=("order",)),
    Panel(Entry, _points_of, lambda it: {"q": it.number}, without=("account__member",), quiet=True),
    Panel(
        Event,
        lambda it: {"subject": events.of_order(it.number)},
        lambda it: {"q": events.of_order(it.number)},
        without=("subject",),
        title=_("Guest order events"),
        quiet=True,
    ),
)
show_on(Entry, Panel(Order, _order_of, without=("member",), place=4, quiet=True))
show_on(Merchant, Panel(MerchantKey, lambda it: {"merchant": it}, without=("merchant",)))

"""Orders as staff see them: found by number, waybill or phone; one page that tells the whole story; changed by acts."""

from functools import partial

from django.contrib import admin
from django.shortcuts import redirect
from django.urls import path, reverse
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import RangeDateTimeFilter
from unfold.decorators import action

from orders.admin import acts, entering, looking, standing, timeline
from orders.admin.columns import ByStatus, status
from orders.models import Line, Order
from sync.admin import scope, search, shown
from sync.admin.pages import ByChannel, HubAdmin


@admin.register(Order)
class OrderAdmin(HubAdmin):
    within = staticmethod(scope.of_channel())
    list_display = [
        "number",
        shown.computed("status", _("Status"), status),
        "channel",
        shown.link("member", _("Member")),
        shown.money("total_fen", _("Total")),
        shown.computed("refunded_fen", _("Refunded"), lambda it: shown.yuan(it.refunded_fen or None)),
        shown.points("points_earned", _("Points earned")),
        shown.at("placed_at", _("Placed")),
        "external_id",
    ]
    list_select_related = ["channel", "member"]
    list_filter = [
        ByStatus,
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
        search.by_number("R", "refunds__number"),
        search.by_id("pk", "member_id"),
        search.exactly("external_id", "shipments__tracking_number", "payments__transaction_id"),
    ]
    search_help_text = _("Order number, channel's number, waybill, payment or refund number, phone or member number")
    actions_list = ["enter"]
    fieldsets = [
        (
            None,
            {
                "fields": [
                    ("number", "external_id"),
                    ("channel", shown.link("member", _("Member"))),
                    (
                        shown.state("payment_status", _("Payment")),
                        shown.state("fulfilment_status", _("Fulfilment")),
                        shown.state("refund_status", _("Refund")),
                    ),
                ]
            },
        ),
        (
            _("Amounts"),
            {
                "fields": [
                    (shown.money("items_fen", _("Items")), shown.money("shipping_fen", _("Shipping"))),
                    (shown.money("discount_fen", _("Discount")), shown.money("points_discount_fen", _("By points"))),
                    (
                        shown.money("total_fen", _("Total")),
                        shown.money("paid_fen", _("Paid")),
                        shown.money("refunded_fen", _("Refunded")),
                    ),
                    ("points_redeemed", "points_earned"),
                ]
            },
        ),
    ]
    change_form_outer_before_template = "admin/orders/standing.html"

    def has_enter_permission(self, request) -> bool:
        return request.user.has_perm(entering.ENTER)

    @action(description=_("Enter an order"), url_path="to-enter", permissions=["enter"], icon="add")
    def enter(self, request):
        return redirect("admin:orders_order_entering")

    def get_urls(self):
        wrap = self.admin_site.admin_view
        return [
            path("enter/", wrap(partial(entering.view, self)), name="orders_order_entering"),
            path("<uuid:key>/recipient/", wrap(partial(looking.recipient, self)), name="orders_order_recipient"),
            path(
                "<uuid:key>/messages/<uuid:message>/", wrap(partial(looking.message, self)), name="orders_order_message"
            ),
            *acts.order_urls(self),
            *super().get_urls(),
        ]

    def explained(self, request, row) -> dict:
        ways = acts.ways_of(request, row)
        if request.user.has_perm(looking.REVEAL):
            ways.append({"title": _("Show recipient"), "url": reverse("admin:orders_order_recipient", args=[row.pk])})
        stands = standing.of(row)
        alarms = [
            {"text": each.text, "ways": acts.ways_of(request, row, **dict([each.about]))} for each in stands["alarms"]
        ]
        return {
            "standing": stands | {"status": status(row), "alarms": alarms},
            "ways": ways,
            "story": timeline.of(request, row),
        }


@admin.register(Line)
class LineAdmin(HubAdmin):
    within = staticmethod(scope.of_channel("order__channel"))
    list_display = [
        "name",
        shown.code("sku", _("SKU")),
        "quantity",
        shown.money("unit_price_fen", _("Unit price")),
        shown.computed("shipped_quantity", _("Shipped so far"), lambda it: it.shipped_quantity or shown.EMPTY),
        "refunded_quantity",
        shown.link("order", _("Order")),
    ]
    list_select_related = ["order"]
    ordering = ["-id"]
    searches = [search.by_number("D", "order__number")]
    search_help_text = _("Order number")
    fieldsets = [(None, {"fields": [*list_display, "external_line_id"]})]

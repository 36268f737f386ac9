"""Parcels: carriers, what is on its way, what WeChat was told of it."""

import json

from django.contrib import admin
from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import RangeDateTimeFilter

from orders import queries
from orders.admin import acts
from orders.admin.columns import state
from orders.admin.masking import masked
from orders.models import Carrier, Shipment, ShipmentLine, ShippingUpload
from sync.admin import scope, search, shown
from sync.admin.pages import ByChannel, HubAdmin

SHOWN = 30  # of what a carrier told, on a parcel's page


@admin.register(Carrier)
class CarrierAdmin(HubAdmin):
    list_display = [
        "name",
        "code",
        shown.state("kind", _("Kind")),
        "wechat_code",
        shown.computed("aliases", _("Other names"), lambda it: " · ".join(it.aliases) or shown.EMPTY),
        shown.yes("needs_phone", _("Needs the phone's last four")),
        shown.yes("is_active", _("Active")),
    ]
    list_filter = ["kind", "is_active"]
    searches = [search.exactly("code", "name", "wechat_code"), search.by_prefix("name")]
    editable = ("name", "name_en", "kind", "wechat_code", "aliases", "needs_phone", "is_active")
    on_adding = ("code", *editable)
    fieldsets = [
        (None, {"fields": [("name", "name_en"), ("code", "wechat_code"), ("kind", "needs_phone"), "aliases"]}),
        (_("In use"), {"fields": ["is_active"]}),
    ]


def tracking_of(shipment: Shipment) -> str:
    """What its carrier told, newest first, numbers masked."""
    told = json.loads(shipment.tracking) if shipment.tracking else []
    rows = ((str(it.get("at", ""))[:19].replace("T", " "), masked(it.get("text") or "")) for it in told[:SHOWN])
    found = format_html_join("", '<li><span class="hub-time">{}</span> {}</li>', rows)
    return format_html('<ul class="hub-lines">{}</ul>', found) if told else shown.EMPTY


def contents_of(shipment: Shipment) -> str:
    """What is in it."""
    found = shipment.lines.select_related("line")
    return format_html_join(" · ", "{} × {}", ((it.line.name, it.quantity) for it in found)) or shown.EMPTY


class Followed(admin.SimpleListFilter):
    """Parcels that nobody tells of, though they should be followed."""

    title, parameter_name = _("tracking"), "tracking"

    def lookups(self, request, model_admin):
        return Shipment.Watch.choices

    def queryset(self, request, queryset):
        return queryset.filter(watch=self.value()) if self.value() else queryset


@admin.register(Shipment)
class ShipmentAdmin(HubAdmin):
    within = staticmethod(scope.of_channel("order__channel"))
    list_display = [
        shown.computed("tracking_number", _("Waybill"), lambda it: it.tracking_number or shown.EMPTY),
        shown.computed("carrier", _("Carrier"), queries.carrier_name),
        shown.link("order", _("Order")),
        shown.computed(
            "state",
            _("State"),
            lambda it: shown.tag(_("Withdrawn"), shown.BAD) if it.withdrawn_at else state(it),
        ),
        shown.computed("watch", _("Tracking"), lambda it: state(it, "watch")),
        shown.at("shipped_at", _("Shipped")),
        shown.at("told_at", _("Carrier told last")),
        shown.at("delivered_at", _("Signed for")),
    ]
    list_select_related = ["order", "carried_by"]
    list_filter = [ByChannel.at("order__channel"), "state", Followed, ("shipped_at", RangeDateTimeFilter)]
    list_filter_submit = True
    ordering = ["-id"]
    searches = [
        search.by_number("D", "order__number"),
        search.by_id("pk"),
        search.exactly("tracking_number"),
    ]
    search_help_text = _("Waybill or order number")
    fieldsets = [
        (None, {"fields": [(list_display[0], list_display[1]), (list_display[2], list_display[3])]}),
        (_("What is in it"), {"fields": [shown.computed("contents", _("Articles"), contents_of)]}),
        (
            _("Times"),
            {
                "fields": [
                    (list_display[5], list_display[7]),
                    (shown.at("created_at", _("Entered")), shown.at("withdrawn_at", _("Withdrawn"))),
                ]
            },
        ),
        (
            _("Tracking"),
            {
                "fields": [
                    (list_display[4], "watch_problem"),
                    (list_display[6], shown.at("watch_at", _("Asked about again"))),
                    shown.computed("told", _("What the carrier told"), tracking_of),
                ]
            },
        ),
    ]
    change_form_outer_before_template = "admin/ways.html"

    def explained(self, request, row) -> dict:
        return {"ways": acts.ways_of(request, row.order, shipment=row)}


@admin.register(ShipmentLine)
class ShipmentLineAdmin(HubAdmin):
    within = staticmethod(scope.of_channel("shipment__order__channel"))
    list_display = [
        shown.link("shipment", _("Parcel")),
        shown.computed("line", _("Article"), lambda it: it.line.name),
        "quantity",
    ]
    list_display_links = ["quantity"]
    list_select_related = ["shipment", "line"]
    ordering = ["-id"]
    searches = [search.by_number("D", "shipment__order__number")]
    search_help_text = _("Order number")
    fieldsets = [(None, {"fields": list_display})]


class Unsent(admin.SimpleListFilter):
    """What WeChat has not been told yet, and the money that is therefore frozen."""

    title, parameter_name = _("queue"), "queue"

    def lookups(self, request, model_admin):
        return [("unsent", _("Not sent yet")), ("refused", _("Refused by WeChat"))]

    def queryset(self, request, queryset):
        if self.value() == "unsent":
            return queryset.exclude(state="sent").order_by("created_at")
        return queryset.filter(state="failed") if self.value() == "refused" else queryset


@admin.register(ShippingUpload)
class ShippingUploadAdmin(HubAdmin):
    within = staticmethod(scope.of_channel("payment__order__channel"))
    list_display = [
        shown.link("payment__order", _("Order")),
        shown.computed("state", _("State"), state),
        shown.money("payment__amount_fen", _("Frozen until then")),
        "attempts",
        shown.yes("is_corrected", _("Correction used")),
        shown.computed("problem", _("What is wrong"), lambda it: it.problem or shown.EMPTY),
        shown.at("created_at", _("Wanted since")),
        shown.at("next_at", _("Next try")),
        shown.at("sent_at", _("Sent")),
        shown.at("settled_at", _("Money released")),
    ]
    list_display_links = ["state"]
    list_select_related = ["payment__order"]
    list_filter = [Unsent, ByChannel.at("payment__order__channel"), "state"]
    ordering = ["-id"]
    searches = [search.by_number("D", "payment__order__number"), search.by_id("pk", "payment_id")]
    search_help_text = _("Order number")
    fieldsets = [
        (None, {"fields": [(list_display[0], list_display[1]), (list_display[2], "attempts"), "problem"]}),
        (
            _("Times"),
            {"fields": [(list_display[6], list_display[7]), (list_display[8], list_display[9]), list_display[4]]},
        ),
    ]
    change_form_outer_before_template = "admin/ways.html"

    def explained(self, request, row) -> dict:
        return {"ways": acts.ways_of(request, row.payment.order, upload=row)}

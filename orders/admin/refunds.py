"""Refunds: what members and channels asked for, what is with a provider, what went back."""

from django.contrib import admin
from django.db.models import Q
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import RangeDateTimeFilter

from orders.admin.columns import naming, person, provider, state
from orders.models import Refund, RefundLine
from orders.payments import refusals
from sync.admin import search, shown
from sync.admin.pages import ByChannel, HubAdmin


def within(path: str = ""):
    """Refunds of orders, or of money without an order, of the channels that are held."""

    def of(channels):
        ordered = Q(**{f"{path}order__channel__in": channels})
        return ordered | Q(**{f"{path}order": None, f"{path}case__channel__in": channels})

    return of


def wrong(refund: Refund) -> str:
    """Why it is stuck, or failed."""
    return refusals.in_words(refund.problem) or shown.EMPTY


class Waiting(admin.SimpleListFilter):
    """What waits for a person, and what is with a provider."""

    title, parameter_name = _("queue"), "queue"

    def lookups(self, request, model_admin):
        return [("requested", _("Waiting for a decision")), ("processing", _("With the provider"))]

    def queryset(self, request, queryset):
        if self.value() == "requested":
            return queryset.filter(state="requested").order_by("created_at")
        return queryset.filter(state="processing") if self.value() == "processing" else queryset


@admin.register(Refund)
class RefundAdmin(HubAdmin):
    within = staticmethod(within())
    list_display = [
        "number",
        shown.link("order", _("Order")),
        shown.computed("state", _("State"), state),
        shown.money("amount_fen", _("Amount")),
        shown.computed("provider", _("Given back by"), lambda it: provider(it.provider)),
        person("asked_by", _("Asked by")),
        shown.at("created_at", _("Asked at")),
        shown.at("refunded_at", _("Refunded at")),
    ]
    list_select_related = ["order", "case", "payment"]
    list_filter = [Waiting, ByChannel.at("order__channel"), "state", ("created_at", RangeDateTimeFilter)]
    list_filter_submit = True
    ordering = ["-id"]
    searches = [
        search.by_number("R", "number"),
        search.by_number("D", "order__number"),
        search.by_id("pk"),
        search.exactly("transaction_id", "external_id"),
    ]
    search_help_text = _("Refund number, order number or the provider's number")
    fieldsets = [
        (None, {"fields": [("number", "external_id"), (list_display[1], list_display[2])]}),
        (
            _("Amounts"),
            {
                "fields": [
                    (list_display[3], shown.money("shipping_fen", _("Of it shipping"))),
                    (shown.money("deducted_fen", _("Kept for spent points")),),
                    ("points_reversed", "points_returned"),
                ]
            },
        ),
        (
            _("How it went"),
            {
                "fields": [
                    (list_display[4], shown.code("transaction_id", _("Provider's number"))),
                    (shown.link("case", _("Payment case")), shown.link("payment", _("Payment"))),
                    (person("asked_by", _("Asked by")), person("decided_by", _("Decided by"))),
                    (list_display[6], list_display[7]),
                    (shown.at("next_at", _("Asked about again")), shown.computed("problem", _("What is wrong"), wrong)),
                ]
            },
        ),
    ]
    change_form_outer_before_template = "admin/ways.html"

    def explained(self, request, row) -> dict:
        from orders.admin import acts  # noqa: PLC0415 - acts know the pages they lead back to

        return {"ways": acts.ways_of(request, row.order, refund=row)} if row.order else {}

    def get_queryset(self, request):
        return super().get_queryset(request).annotate(**naming("asked_by", "decided_by"))


@admin.register(RefundLine)
class RefundLineAdmin(HubAdmin):
    within = staticmethod(within("refund__"))
    list_display = [
        shown.link("refund", _("Refund")),
        shown.computed("line", _("Article"), lambda it: it.line.name),
        "quantity",
        shown.money("amount_fen", _("Amount")),
    ]
    list_display_links = ["quantity"]
    list_select_related = ["refund", "line"]
    ordering = ["-id"]
    searches = [search.by_number("R", "refund__number"), search.by_number("D", "refund__order__number")]
    search_help_text = _("Refund number or order number")
    fieldsets = [(None, {"fields": list_display})]

"""Balances and what made them: looked at, never edited."""

from django.contrib import admin
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import RangeDateTimeFilter

from loyalty.models import Account, Entry
from members.models import Member
from sync.admin import scope, search, shown
from sync.admin.pages import ByChannel, HubAdmin
from sync.admin.panels import Panel, show_on


@admin.register(Account)
class AccountAdmin(HubAdmin):
    within = staticmethod(scope.of_member("member_id"))
    list_display = [
        shown.link("member", _("Member")),
        "tier",
        shown.points("available", _("Available")),
        shown.points("pending", _("Pending")),
        shown.points("held", _("Held")),
        shown.points("debt", _("Debt")),
        shown.at("updated_at", _("Changed")),
        shown.computed("page", _("Account"), lambda it: shown.linked(it, _("View"))),
    ]
    list_display_links = None
    list_select_related = ["member", "tier"]
    ordering = ["-id"]
    searches = [
        search.by_phone("member__phone_index"),
        search.by_number("M", "member__number"),
        search.by_id("pk", "member_id"),
    ]
    search_help_text = _("Phone or member number")
    fieldsets = [
        (None, {"fields": [list_display[0], ("tier", shown.at("tier_since", _("Tier since")))]}),
        (_("Points"), {"fields": [(list_display[2], list_display[3]), (list_display[4], list_display[5])]}),
        (
            _("Progress"),
            {"fields": [(shown.money("qualifying_fen", _("Qualifying spending")), "version"), list_display[6]]},
        ),
    ]


@admin.register(Entry)
class EntryAdmin(HubAdmin):
    within = staticmethod(scope.of_member("account__member_id"))
    list_display = [
        shown.at("created_at", _("Posted")),
        shown.state("kind", _("Kind")),
        shown.link("account__member", _("Member")),
        shown.points("available", _("Available"), signed=True),
        shown.points("pending", _("Pending"), signed=True),
        shown.points("available_after", _("Available after")),
        shown.code("reference", _("Reference")),
        "reason",
        "channel",
    ]
    list_select_related = ["account__member", "channel"]
    list_filter = [ByChannel, "kind", ("created_at", RangeDateTimeFilter)]
    list_filter_submit = True
    ordering = ["-id"]
    searches = [search.by_number("M", "account__member__number"), search.by_id("pk", "account_id")]
    search_help_text = _("Member number")
    fieldsets = [
        (None, {"fields": [shown.link("account__member", _("Member")), (list_display[1], list_display[0])]}),
        (
            _("Points"),
            {
                "fields": [
                    (list_display[3], list_display[4]),
                    (shown.points("held", _("Held"), signed=True), shown.points("debt", _("Debt"), signed=True)),
                    (shown.points("contra", _("Contra"), signed=True), "contra_kind"),
                    (list_display[5], "version"),
                ]
            },
        ),
        (_("Why"), {"fields": [("source", "reference"), "reason", ("rule", "channel")]}),
        (
            _("Times"),
            {"fields": [(shown.at("available_at", _("Available from")), shown.at("expires_at", _("Expires")))]},
        ),
    ]


show_on(
    Member,
    Panel(Account, lambda it: {"member": it}, without=("member",), place=10),
    Panel(
        Entry, lambda it: {"account__member": it}, lambda it: {"q": it.number}, without=("account__member",), place=40
    ),
)
show_on(Account, Panel(Entry, lambda it: {"account": it}, lambda it: {"q": it.pk}, without=("account__member",)))

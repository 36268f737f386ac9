"""Holds: points set aside for a spending to come, until when, and what became of them."""

from django.contrib import admin
from django.db.models import Q
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import RangeDateTimeFilter

from loyalty.admin import columns
from loyalty.models import Account, Draw, Entry, Hold
from sync.admin import scope, search, shown
from sync.admin.pages import ByChannel, HubAdmin
from sync.admin.panels import Panel, show_on


@admin.register(Hold)
class HoldAdmin(HubAdmin):
    within = staticmethod(scope.of_member("account__member_id"))
    list_display = [
        shown.at("created_at", _("Held at")),
        shown.computed("state", _("State"), columns.hold_state),
        shown.link("account__member", _("Member")),
        "channel",
        shown.code("reference", _("Reference")),
        shown.points("points", _("Points")),
        shown.points("captured", _("Captured")),
        shown.computed("ends", _("Lets go at"), columns.hold_ends),
        shown.at("closed_at", _("Closed at")),
    ]
    list_select_related = ["channel", "account__member"]
    list_filter = [ByChannel, "state", ("created_at", RangeDateTimeFilter)]
    list_filter_submit = True
    ordering = ["-entry_id"]
    searches = [
        search.by_phone("account__member__phone_index"),
        search.by_number("M", "account__member__number"),
        search.by_id("pk", "account_id", "account__member_id"),
    ]
    search_help_text = _("Phone or member number")
    fieldsets = [
        (
            None,
            {
                "fields": [
                    (
                        list_display[2],
                        shown.computed(
                            "account", _("Account"), lambda it: shown.linked(it.account, _("See the balance"))
                        ),
                    ),
                    (list_display[1], "channel"),
                    (list_display[4], shown.code("source", _("Source"))),
                ]
            },
        ),
        (_("Times"), {"fields": [(list_display[0], list_display[7]), (list_display[8],)]}),
    ]
    change_form_outer_before_template = "admin/loyalty/balance.html"

    def get_queryset(self, request):
        return super().get_queryset(request).select_related(*self.list_select_related)

    def explained(self, request, row) -> dict:
        released = row.points - row.captured if row.closed_at else 0
        shares = [(_("Held"), row.points), (_("Captured"), row.captured), (_("Released"), released)]
        figures = [{"label": name, "value": columns.count(many)} for name, many in shares]
        return {"balance": {"figures": figures}}


show_on(
    Account,
    Panel(
        Hold,
        lambda it: {"account": it, "state": Hold.State.HELD},
        lambda it: {"q": it.pk},
        without=("account__member", "captured", "closed_at"),
        title=_("Open holds"),
        place=2,
        order=("expires_at",),
        empty=_("Nothing is set aside: a channel holds points while an order is being paid"),
    ),
)
show_on(
    Hold,
    Panel(
        Entry,
        lambda it: Q(pk=it.pk) | Q(follows=it.pk),
        without=("account__member",),
        title=_("Its entries"),
        order=("version",),
    ),
    Panel(
        Draw,
        lambda it: Q(entry=it.pk) | Q(entry__follows=it.pk),
        without=("entry__account__member",),
        title=_("The lots it lies in"),
        order=("id",),
    ),
)

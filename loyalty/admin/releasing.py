"""What waits for staff beyond adjustments: points above a channel's limits; and what was given and told by itself."""

from django.contrib import admin
from django.utils.translation import gettext_lazy as _

from loyalty.admin import acting
from loyalty.admin.acting import RELEASE
from loyalty.models import Account, Bonus, ExpiryNotice, WaitingLot
from loyalty.services import settling
from sync.admin import scope, search, shown
from sync.admin.pages import ByChannel, HubAdmin
from sync.admin.panels import Panel, show_on


@admin.register(WaitingLot)
class WaitingLotAdmin(HubAdmin):
    within = staticmethod(scope.of_channel("entry__channel"))
    list_display = [
        shown.at("entry__created_at", _("Posted")),
        shown.link("account__member", _("Member")),
        shown.points("remaining", _("Points")),
        shown.computed("channel", _("Channel"), lambda it: it.entry.channel or shown.EMPTY),
        shown.code("entry__reference", _("Reference")),
        shown.computed("reason", _("Reason"), lambda it: it.entry.reason or shown.EMPTY),
        shown.computed("limits", _("What the channel may give: at once, a member, a day"), lambda it: _limits(it)),
    ]
    list_select_related = ["account__member", "entry__channel"]
    list_filter = [ByChannel.at("entry__channel")]
    ordering = ["entry"]
    searches = [search.by_phone("account__member__phone_index"), search.by_number("M", "account__member__number")]
    search_help_text = _("Phone or member number")
    actions = ["let_through_chosen", "turn_down_chosen"]
    fieldsets = [(None, {"fields": [*list_display, shown.link("entry", _("Points entry"))]})]

    def get_queryset(self, request):
        return super().get_queryset(request).select_related(*self.list_select_related)

    def has_release_permission(self, request) -> bool:
        return request.user.has_perm(RELEASE)

    @admin.action(description=_("Let the chosen through"), permissions=["release"])
    def let_through_chosen(self, request, queryset):
        acting.attempt_each(request, settling.let_through, queryset, "lot")

    @admin.action(description=_("Turn the chosen down"), permissions=["release"])
    def turn_down_chosen(self, request, queryset):
        acting.attempt_each(request, settling.turn_down, queryset, "lot")


def _limits(lot: WaitingLot) -> str:
    channel = lot.entry.channel
    if channel is None:
        return shown.EMPTY
    return " / ".join(f"{each:,}" for each in (channel.earn_per_entry, channel.earn_per_member, channel.earn_per_day))


@admin.register(Bonus)
class BonusAdmin(HubAdmin):
    within = staticmethod(scope.of_member("account__member_id"))
    list_display = [
        shown.state("kind", _("Kind")),
        shown.computed("period", _("Year or channel"), lambda it: it.period or shown.EMPTY),
        shown.computed("member", _("Member"), lambda it: shown.linked(it.account and it.account.member)),
        shown.computed(
            "given",
            _("Given"),
            lambda it: shown.tag(_("Given"), shown.GOOD) if it.entry_id or it.growth else shown.tag(_("Had it before")),
        ),
        shown.points("growth", _("Growth")),
        shown.at("at", _("At")),
    ]
    list_select_related = ["account__member", "entry"]
    list_filter = ["kind"]
    ordering = ["-id"]
    searches = [search.by_number("M", "account__member__number"), search.by_id("account_id")]
    search_help_text = _("Member number")
    fieldsets = [(None, {"fields": [*list_display, shown.link("entry", _("Points entry"))]})]


@admin.register(ExpiryNotice)
class ExpiryNoticeAdmin(HubAdmin):
    within = staticmethod(scope.of_member("account__member_id"))
    list_display = [
        "expires_on",
        shown.link("account__member", _("Member")),
        shown.points("points", _("Points")),
        shown.at("at", _("Told at")),
    ]
    list_select_related = ["account__member"]
    ordering = ["-id"]
    searches = [search.by_number("M", "account__member__number"), search.by_id("account_id")]
    search_help_text = _("Member number")
    fieldsets = [(None, {"fields": list_display})]


show_on(
    Account,
    Panel(Bonus, lambda it: {"account": it}, lambda it: {"q": it.pk}, without=("member",), place=70, quiet=True),
    Panel(
        ExpiryNotice,
        lambda it: {"account": it},
        lambda it: {"q": it.pk},
        without=("account__member",),
        place=80,
        quiet=True,
    ),
)

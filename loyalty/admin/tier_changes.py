"""Who rose, fell or was renewed, by which numbers; and why a member is in a tier, on their page."""

from django.contrib import admin
from django.db.models import F
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import RangeDateTimeFilter

from loyalty import standing
from loyalty.admin import why
from loyalty.models import Account, Tier, TierChange
from members.models import Member
from sync.admin import scope, search, shown
from sync.admin.pages import HubAdmin
from sync.admin.panels import Explained, Panel, show_on


class ByTier(admin.SimpleListFilter):
    """Changes that led to a tier."""

    title, parameter_name = _("tier after"), "to"

    def lookups(self, request, model_admin):
        return list(Tier.objects.values_list("code", "name"))

    def queryset(self, request, queryset):
        return queryset.filter(after__code=self.value()) if self.value() else queryset


class ByDirection(admin.SimpleListFilter):
    """Up, down, or renewed."""

    title, parameter_name = _("direction"), "way"
    ways = {"up": "gt", "down": "lt"}

    def lookups(self, request, model_admin):
        return [("up", _("Rose")), ("down", _("Fell")), ("same", _("Renewed"))]

    def queryset(self, request, queryset):
        if self.value() == "same":
            return queryset.filter(before=F("after"))
        if self.value() in self.ways:
            return queryset.filter(**{f"after__threshold_fen__{self.ways[self.value()]}": F("before__threshold_fen")})
        return queryset


def direction(change: TierChange) -> str:
    """What became of the tier, as a badge."""
    if change.before == change.after:
        return shown.tag(_("Renewed"))
    if change.before and change.before.threshold_fen > change.after.threshold_fen:
        return shown.tag(_("Fell"), shown.BUSY)
    return shown.tag(_("Rose"), shown.GOOD)


@admin.register(TierChange)
class TierChangeAdmin(HubAdmin):
    within = staticmethod(scope.of_member("account__member_id"))
    list_display = [
        shown.at("at", _("Time")),
        shown.link("account__member", _("Member")),
        shown.computed("way", _("Direction"), direction),
        shown.computed("before", _("Tier before"), lambda it: it.before or shown.EMPTY),
        shown.computed("after", _("Tier after"), lambda it: it.after),
        shown.computed("cause", _("Cause"), lambda it: it.get_cause_display()),
        shown.computed("counted", _("Counted"), lambda it: why.amount(it.qualifying, it.qualify_by)),
        shown.computed("asked", _("Threshold"), lambda it: why.amount(it.threshold, it.qualify_by)),
        shown.computed("until", _("Until"), lambda it: why.last_day(it.until)),
    ]
    list_select_related = ["account__member", "before", "after"]
    list_filter = [ByDirection, ByTier, "cause", ("at", RangeDateTimeFilter)]
    list_filter_submit = True
    ordering = ["-at", "-id"]
    searches = [
        search.by_phone("account__member__phone_index"),
        search.by_number("M", "account__member__number"),
        search.by_id("account_id"),
    ]
    search_help_text = _("Phone or member number")
    fieldsets = [
        (None, {"fields": [(list_display[1], list_display[0]), (list_display[3], list_display[4]), list_display[5]]}),
        (
            _("What decided"),
            {
                "fields": [
                    ("qualify_by", list_display[6]),
                    (list_display[7], list_display[8]),
                    (shown.at("counted_from", _("Counted from")), shown.at("counted_to", _("Counted to"))),
                ]
            },
        ),
    ]


def _of_member(member: Member) -> dict | None:
    return why.of_account(standing.account_of(member.pk))


WITHOUT = ("account__member",)
show_on(
    Member,
    Explained(Account, _of_member, "admin/loyalty/why.html", place=14),
    Panel(
        TierChange,
        lambda it: {"account__member": it},
        lambda it: {"q": it.number},
        without=WITHOUT,
        place=45,
        quiet=True,
    ),
)
show_on(
    Account,
    Explained(Account, why.of_account, "admin/loyalty/why.html", place=5),
    Panel(TierChange, lambda it: {"account": it}, lambda it: {"q": it.pk}, without=WITHOUT, place=60, quiet=True),
)

"""Accounts: what a member has, whether it adds up, and what made it."""

from django.contrib import admin
from django.db.models import BigIntegerField, OuterRef, Subquery, Sum
from django.db.models.functions import Coalesce, Now
from django.utils.translation import gettext_lazy as _

from loyalty.admin import balance, columns
from loyalty.admin.lots import NOTICE
from loyalty.models import Account, Entry, Lot
from members.models import Member
from sync.admin import scope, search, shown
from sync.admin.pages import HubAdmin
from sync.admin.panels import Panel, show_on

NO_ENTRIES = _("No entries yet: they appear when the member buys something or a channel gives points")


@admin.register(Account)
class AccountAdmin(HubAdmin):
    within = staticmethod(scope.of_member("member_id"))
    list_display = [
        shown.computed("balance", _("Account"), lambda it: _("See the balance")),
        shown.link("member", _("Member")),
        shown.computed("tier", _("Tier"), lambda it: it.tier or shown.EMPTY),
        *(shown.points(key, name) for key, name in columns.COMPONENTS.items()),
        shown.points("expiring", _("Expires soon")),
        shown.at("updated_at", _("Changed")),
    ]
    list_select_related = ["member", "tier"]
    ordering = ["-id"]
    searches = [
        search.by_phone("member__phone_index"),
        search.by_number("M", "member__number"),
        search.by_id("pk", "member_id"),
    ]
    search_help_text = _("Phone or member number")
    fieldsets = [
        (
            None,
            {
                "fields": [
                    (
                        list_display[1],
                        shown.computed("nickname", _("Nickname"), lambda it: it.member.nickname or shown.EMPTY),
                    ),
                    (shown.code("member__phone_mask", _("Phone")), shown.state("member__status", _("Status"))),
                ]
            },
        ),
    ]
    change_form_outer_before_template = "admin/loyalty/balance.html"

    def get_queryset(self, request):
        lots = Lot.objects.filter(account=OuterRef("pk"), remaining__gt=0, expires_at__gt=Now())
        soon = lots.filter(expires_at__lte=Now() + NOTICE).order_by().values("account")
        total = Subquery(soon.annotate(sum=Sum("remaining")).values("sum"), output_field=BigIntegerField())
        rows = super().get_queryset(request).select_related(*self.list_select_related)
        return rows.annotate(expiring=Coalesce(total, 0))

    def explained(self, request, row) -> dict:
        return {"balance": balance.of_account(request, row)}


def _own(account: Account) -> list:
    """The account, and those that came with merges: their history goes on here."""
    return [account.pk, *account.absorbed]


show_on(
    Member,
    Panel(
        Account,
        lambda it: {"member": it},
        without=("member",),
        place=10,
        empty=_("No points yet: the account is made with the first ones"),
    ),
    Panel(
        Entry,
        lambda it: {"account__member": it},
        lambda it: {"q": it.number},
        without=("account__member",),
        place=40,
        empty=NO_ENTRIES,
    ),
)
show_on(
    Account,
    Panel(
        Entry,
        lambda it: {"account__in": _own(it)},
        lambda it: {"account__in": ",".join(map(str, _own(it)))},
        without=("account__member",),
        title=_("Entries, the newest first"),
        few=20,
        place=3,
        empty=NO_ENTRIES,
    ),
)

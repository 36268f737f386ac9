"""Lots: what is left of each earning and until when, and the journal of all that drew on them."""

from datetime import timedelta

from django.contrib import admin
from django.db.models import DurationField, Exists, ExpressionWrapper, F, OuterRef, Q, Subquery, Value
from django.db.models.functions import Coalesce
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from loyalty.admin import balance, columns
from loyalty.models import Account, Draw, Entry, Lot, Programme
from sync.admin import scope, search, shown
from sync.admin.pages import ByChannel, HubAdmin
from sync.admin.panels import Panel, show_on

DAYS = Coalesce(Subquery(Programme.objects.values("notice_days")[:1]), Value(Programme().notice_days))
EXPIRED = Exists(Draw.objects.filter(lot=OuterRef("pk"), entry__kind=Entry.Kind.EXPIRED))
NOTICE = ExpressionWrapper(DAYS * Value(timedelta(days=1)), output_field=DurationField())
ALIVE = Q(remaining__gt=0) | Q(held__gt=0)


class ByState(admin.SimpleListFilter):
    """What staff look lots up for."""

    title, parameter_name = _("state"), "is"

    def lookups(self, request, model_admin):
        return [(key, columns.STATES[key]) for key in ("pending", "waiting", "expiring", "held", "expired", "gone")]

    def queryset(self, request, queryset):
        now = timezone.now()
        match self.value():
            case "pending":
                return queryset.filter(is_pending=True, remaining__gt=0, available_at__isnull=False)
            case "waiting":
                return queryset.filter(is_pending=True, remaining__gt=0, available_at=None)
            case "expiring":
                soon = now + timedelta(days=Programme.current().notice_days)
                return queryset.filter(remaining__gt=0, expires_at__gt=now, expires_at__lte=soon)
            case "held":
                return queryset.filter(held__gt=0)
            case "expired":
                return queryset.filter(EXPIRED, remaining=0, expires_at__lte=now)
            case "gone":
                return queryset.filter(~EXPIRED, remaining=0, held=0)
        return queryset


@admin.register(Lot)
class LotAdmin(HubAdmin):
    within = staticmethod(scope.of_member("account__member_id"))
    list_display = [
        shown.computed("earned_on", _("Earned on"), lambda it: columns.day(it.entry.created_at)),
        shown.computed("state", _("State"), columns.state),
        shown.link("account__member", _("Member")),
        shown.computed("earned_by", _("Earned by"), lambda it: columns.named(it.entry)),
        shown.points("earned", _("Earned")),
        shown.points("remaining", _("Left")),
        shown.points("held", _("Held")),
        shown.computed("pending_until", _("Pending until"), columns.pending_until),
        shown.computed("valid_through", _("Valid through"), columns.valid_through),
    ]
    list_select_related = ["entry__follows", "entry__reverses", "account__member"]
    list_filter = [ByState, ByChannel.at("entry__channel")]
    ordering = ["-entry_id"]
    searches = [
        search.by_phone("account__member__phone_index"),
        search.by_number("M", "account__member__number"),
        search.by_number("D", "entry__purchase__order_number"),
        search.by_id("pk", "account_id", "account__member_id"),
    ]
    search_help_text = _("Phone, member number or order number")
    fieldsets = [
        (
            None,
            {
                "fields": [
                    (list_display[2], shown.computed("account", _("Account"), columns.balance)),
                    (list_display[3], shown.at("entry__created_at", _("Earned on"))),
                    (list_display[1], list_display[7]),
                    (list_display[8], shown.at("graced_at", _("Grace given"))),
                ]
            },
        ),
    ]
    change_form_outer_before_template = "admin/loyalty/balance.html"

    def get_queryset(self, request):
        rows = super().get_queryset(request).select_related(*self.list_select_related)
        return rows.annotate(notice_days=DAYS, has_expired=EXPIRED)

    def explained(self, request, row) -> dict:
        return {"balance": balance.of_lot(request, row)}


def _did(draw: Draw) -> str:
    """What an entry did to a lot, in a word."""
    if draw.held > 0:
        return shown.tag(_("Set aside"), shown.BUSY)
    if draw.held < 0:
        return shown.tag(_("Released"), shown.GOOD) if draw.remaining > 0 else shown.tag(_("Spent from a hold"))
    if draw.remaining > 0:
        return shown.tag(_("Returned"), shown.GOOD)
    deed = columns.deed_of(draw.entry)
    return columns.deed(draw.entry) if deed in {"expired", "taken back", "turned down"} else shown.tag(_("Taken"))


@admin.register(Draw)
class DrawAdmin(HubAdmin):
    within = staticmethod(scope.of_member("entry__account__member_id"))
    list_display = [
        shown.computed("did", _("What it did"), _did),
        shown.at("entry__created_at", _("Posted")),
        shown.computed("reference", _("Entry"), lambda it: columns.named(it.entry)),
        shown.link("entry__account__member", _("Member")),
        shown.computed("lot", _("Lot"), lambda it: shown.linked(it.lot, columns.called_for(it.lot.entry.reference))),
        shown.computed("valid_through", _("Valid through"), lambda it: columns.last_day(it.lot.expires_at)),
        shown.points("remaining", _("Left in the lot"), signed=True),
        shown.points("held", _("Held in the lot"), signed=True),
    ]
    list_select_related = ["entry__account__member", "entry__follows", "entry__reverses", "lot__entry"]
    ordering = ["-id"]
    searches = [
        search.by_number("M", "entry__account__member__number"),
        search.by_id("entry_id", "lot_id", "entry__account_id"),
    ]
    search_help_text = _("Member number")
    fieldsets = [(None, {"fields": list_display})]

    def get_queryset(self, request):
        return super().get_queryset(request).select_related(*self.list_select_related)


show_on(
    Account,
    Panel(
        Lot,
        lambda it: Q(account=it) & ALIVE,
        lambda it: {"q": it.pk},
        without=("account__member",),
        place=1,
        title=_("Lots with points, the first to expire first"),
        few=20,
        order=(F("expires_at").asc(nulls_last=True), "entry_id"),
        empty=_("No points lie in lots: every earning makes one, and it goes when it is used up or over"),
    ),
)
show_on(
    Lot,
    Panel(
        Draw,
        lambda it: {"lot": it},
        lambda it: {"q": it.pk},
        without=("lot", "entry__account__member", "valid_through"),
        title=_("What has drawn on it or came back to it"),
        few=20,
        empty=_("Nothing has drawn on this lot yet"),
    ),
)

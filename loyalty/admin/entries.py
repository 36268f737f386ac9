"""Entries: what each did to the balance, which lots it drew on, what it follows and what followed."""

from datetime import timedelta

from django.contrib import admin
from django.contrib.auth.models import User
from django.db.models import Q
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import RangeDateTimeFilter

from loyalty.admin import columns, sentences
from loyalty.models import Draw, Entry, Hold, Lot, Purchase
from loyalty.told import TOLD_AS
from sync import events
from sync.admin import scope, search, shown
from sync.admin.pages import ByChannel, HubAdmin
from sync.admin.panels import Panel, show_on
from sync.models import Event

ACTORS = {
    "member": _("the member"),
    "channel": _("the channel's backend"),
    "staff": _("Staff"),
    "provider": _("payment provider"),
    "system": _("the hub by itself"),
}
PEOPLE = ["adjustment__asked_by", "adjustment__decided_by"]
MEMBER = ("account__member",)
RELATED = ["account__member", "channel", "rule", "follows", "reverses", *PEOPLE]


def of_order(queryset, text: str):
    """What an order's points went through: earned by it, paid with, taken back by refunds. By its number."""
    if not text.upper().startswith("D") or not text[1:].isdigit():
        return None
    number = text.upper()
    bought = Purchase.objects.filter(order_number=number).values("account_id", "entry_id").first()
    if bought is None:
        return queryset.none()
    ours = Q(reference__startswith=f"order:{number}:") | Q(reverses=bought["entry_id"])
    return queryset.filter(ours, account=bought["account_id"])


@admin.register(Entry)
class EntryAdmin(HubAdmin):
    within = staticmethod(scope.of_member("account__member_id"))
    list_display = [
        shown.at("created_at", _("Posted")),
        shown.computed("kind", _("What happened"), columns.deed),
        shown.link("account__member", _("Member")),
        shown.computed("moves", _("Points"), columns.moves),
        shown.points("available_after", _("Available after")),
        shown.computed("reference", _("Reference"), columns.reference),
        shown.computed("why", _("Why"), columns.why),
        shown.computed("who", _("By"), columns.who),
    ]
    list_select_related = RELATED
    list_filter = [ByChannel, "kind", ("created_at", RangeDateTimeFilter)]
    list_filter_submit = True
    lookups = ("account__in",)
    ordering = ["-id"]
    searches = [
        search.by_phone("account__member__phone_index"),
        search.by_number("M", "account__member__number"),
        of_order,
        search.by_id("pk", "account_id", "account__member_id"),
    ]
    search_help_text = _("Phone, member number or order number")
    fieldsets = [
        (
            None,
            {
                "fields": [
                    (list_display[2], shown.computed("account", _("Account"), columns.balance)),
                    (list_display[1], list_display[0]),
                    (list_display[5], list_display[6]),
                    (
                        shown.computed("channel", _("Channel"), lambda it: it.channel or shown.EMPTY),
                        shown.computed("told_by", _("By"), lambda it: _told_by(it)),
                    ),
                ]
            },
        ),
        (
            _("Bookkeeping"),
            {
                "classes": ["collapse"],
                "fields": [
                    (
                        shown.points("contra", _("Contra"), signed=True),
                        shown.computed("contra_kind", _("Contra kind"), columns.contra),
                    ),
                    (shown.code("source", _("Source")), shown.code("reference", _("Reference"))),
                    (shown.at("available_at", _("Available from")), shown.at("expires_at", _("Expires"))),
                    ("version",),
                ],
            },
        ),
    ]
    change_form_outer_before_template = "admin/loyalty/balance.html"

    def get_queryset(self, request):
        return super().get_queryset(request).select_related(*RELATED)

    def explained(self, request, row) -> dict:
        figures = [_figure(row, name) for name in columns.COMPONENTS if getattr(row, name)]
        return {"balance": {"said": sentences.of(row), "figures": figures}}


def _figure(entry: Entry, name: str) -> dict:
    """A component that an entry moved; of what is available, from what to what."""
    moved = getattr(entry, name)
    before = columns.count(entry.available_after - moved)
    return {
        "label": columns.COMPONENTS[name],
        "value": columns.signed(moved, name),
        "lines": [f"{before} → {columns.count(entry.available_after)}"] if name == "available" else [],
    }


def _told_by(entry: Entry) -> str:
    """Who or what posted it, and who acted as its event tells: staff by name."""
    actor = Event.objects.filter(**_told_as(entry)).values_list("actor", flat=True).first() or ""
    kind, _slash, key = actor.partition("/")
    staff = User.objects.filter(pk=key).first() if kind == "staff" and key.isdigit() else None
    acted = columns.called(staff) if staff else ACTORS.get(kind, "")
    return " · ".join(str(each) for each in (columns.who(entry), acted) if each)


def _told_as(entry: Entry) -> dict:
    """Where its event is: on its member's stream, of its time."""
    about = timedelta(minutes=10)
    return {
        "subject": events.of_member(entry.account.member_id),
        "type": f"points.{TOLD_AS.get(entry.kind, entry.kind)}",
        "time__range": (entry.created_at - about, entry.created_at + about),
        "data__entry__id": str(entry.pk),
    }


show_on(
    Entry,
    Panel(
        Draw,
        lambda it: {"entry": it},
        without=("entry__created_at", "reference", "entry__account__member"),
        title=_("Lots it drew on or gave back to"),
        place=10,
        quiet=True,
        order=("id",),
    ),
    Panel(Lot, lambda it: {"pk": it.pk}, without=MEMBER, title=_("The lot it made"), place=20, quiet=True),
    Panel(
        Draw,
        lambda it: {"lot": it.pk},
        lambda it: {"q": it.pk},
        without=("lot", "entry__account__member", "valid_through"),
        title=_("What has drawn on that lot since"),
        place=30,
        quiet=True,
    ),
    Panel(Hold, lambda it: {"pk__in": [it.pk, it.follows_id]}, without=MEMBER, place=40, quiet=True),
    Panel(Entry, lambda it: {"reverses": it}, without=MEMBER, title=_("Reversed by"), quiet=True),
    Panel(Entry, lambda it: {"follows": it}, without=MEMBER, title=_("Followed by"), quiet=True),
    Panel(
        Entry,
        lambda it: {"pk__in": [it.reverses_id, it.follows_id]},
        without=MEMBER,
        title=_("What it goes back to"),
        place=5,
        quiet=True,
    ),
    Panel(Event, _told_as, without=("subject",), title=_("Told as"), place=90, quiet=True),
)

"""The member's page: who they are, and what hangs on them."""

from django.contrib import admin
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import RangeDateTimeFilter

from members.admin.consents import guardian_link, what_is_allowed
from members.models import Consent, Identity, LinkCase, Member, Merge, Session
from sync import events
from sync.admin import scope, search, shown, tracing
from sync.admin.pages import ByChannel, HubAdmin
from sync.admin.panels import Explained, Panel, show_on
from sync.models import Event
from sync.secret import mask_email


@admin.register(Member)
class MemberAdmin(HubAdmin):
    within = staticmethod(scope.of_member())
    list_display = [
        "number",
        shown.computed("nickname", _("Nickname"), lambda it: it.nickname or shown.EMPTY),
        shown.code("phone_mask", _("Phone")),
        shown.state("status", _("Status")),
        "home_channel",
        shown.at("created_at", _("Registered")),
    ]
    list_select_related = ["home_channel"]
    list_filter = [ByChannel.at("home_channel"), "status", ("created_at", RangeDateTimeFilter)]
    list_filter_submit = True
    ordering = ["-created_at", "-id"]
    searches = [
        search.by_phone("phone_index"),
        search.by_number("M", "number"),
        search.by_last_four("phone_last4"),
        search.by_id("pk"),
        search.by_prefix("nickname"),
    ]
    search_help_text = _("Phone, its last four digits, member number or nickname")
    fieldsets = [
        (None, {"fields": [("number", "nickname"), (shown.state("status", _("Status")), "merged_into")]}),
        (
            _("Person"),
            {
                "fields": [
                    (
                        shown.code("phone_mask", _("Phone")),
                        shown.computed("email", _("E-mail"), lambda it: mask_email(it.email) or shown.EMPTY),
                    ),
                    ("gender", "birthday"),
                ]
            },
        ),
        (
            _("History"),
            {
                "fields": [
                    ("home_channel", "version"),
                    (shown.at("created_at", _("Registered")), shown.at("updated_at", _("Changed"))),
                ]
            },
        ),
    ]


def _of(member):
    return {"member": member}


def _named(member):
    return {"q": member.number}


show_on(
    Member,
    Panel(Identity, _of, _named, without=("member",), place=20),
    Panel(Session, _of, _named, without=("member",), place=50),
    Explained(Consent, what_is_allowed, "admin/members/allowed.html", place=59),
    Panel(Consent, _of, _named, without=("member",), place=60, way=guardian_link),
    Panel(LinkCase, _of, _named, without=("member",), place=70, quiet=True),
    Panel(Merge, lambda it: {"target": it}, _named, without=("target",), place=80, quiet=True),
    Panel(
        Event,
        lambda it: {"subject": events.of_member(it.pk)},
        lambda it: {"q": events.of_member(it.pk)},
        without=("subject",),
        place=90,
        way=lambda _request, it: {"title": _("Follow a message"), "url": tracing.looking_for(it.number)},
    ),
)

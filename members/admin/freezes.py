"""Freezes as staff see them; laying and lifting one is asked for on a page of its own and decided by somebody else."""

from functools import partial

from django.contrib import admin
from django.urls import path
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import RangeDateTimeFilter

from members.admin import freeze_page
from members.models import Freeze, Member, Request, Scope
from sync.admin import scope, search, shown
from sync.admin.pages import HubAdmin, StillOpen
from sync.admin.panels import Explained, Panel, show_on


class StillFrozen(StillOpen):
    """What holds now, and what held."""

    path = "lifted_at"


def scopes_of(freeze: Freeze) -> str:
    """What is frozen, in the reader's words."""
    return "、".join(str(Scope(each).label) for each in freeze.scopes)


def until_of(freeze: Freeze) -> str:
    """When it ends by itself."""
    return shown.moment(freeze.expires_at) if freeze.expires_at else _("Until it is lifted")


@admin.register(Freeze)
class FreezeAdmin(HubAdmin):
    within = staticmethod(scope.of_member("member_id"))
    list_display = [
        shown.at("at", _("From")),
        shown.link("member", _("Member")),
        shown.computed("scopes", _("What is frozen"), scopes_of),
        shown.state("reason", _("Reason")),
        shown.computed("expires_at", _("Until"), until_of),
        shown.subject("by", _("Asked by")),
        shown.subject("approved_by", _("Approved by")),
        shown.at("lifted_at", _("Lifted")),
    ]
    list_select_related = ["member"]
    list_filter = [StillFrozen, "reason", ("at", RangeDateTimeFilter)]
    list_filter_submit = True
    ordering = ["-id"]
    searches = [search.by_number("M", "member__number"), search.by_id("pk", "member_id")]
    search_help_text = _("Member number")
    fieldsets = [(None, {"fields": [*list_display, "note", shown.subject("lifted_by", _("Lifted by"))]})]

    def get_urls(self):
        ask = partial(freeze_page.view, self)
        return [path("ask/", self.admin_site.admin_view(ask), name="members_freeze_ask"), *super().get_urls()]


def way(request, member: Member) -> dict | None:
    """To the page that asks for a freeze or its end, for who may."""
    if not request.user.has_perm(freeze_page.ASK) or not freeze_page.is_there(member):
        return None
    return {"title": _("Change or lift") if member.frozen_scopes else _("Freeze"), "url": freeze_page.url(member)}


def asked(request: Request) -> dict | None:
    """What would be frozen or lifted if the request were approved: who decides sees all of it."""
    if request.kind == Request.Kind.UNFREEZE:
        held = Freeze.objects.filter(member=request.member_id, lifted_at=None).first()
        return held and {"title": _("What would be lifted"), "facts": facts_of(held)}
    if request.kind != Request.Kind.FREEZE:
        return None
    terms = request.terms
    until = parse_datetime(terms["until"]) if terms.get("until") else None
    wanted = Freeze(scopes=terms["scopes"], reason=terms["reason"], note=terms.get("note", ""), expires_at=until)
    return {"title": _("What would be frozen"), "facts": facts_of(wanted)}


def facts_of(freeze: Freeze) -> list[tuple]:
    """A freeze in words."""
    return [
        (_("What is frozen"), scopes_of(freeze)),
        (_("Reason"), freeze.get_reason_display()),
        (_("Until"), until_of(freeze)),
        (_("What led to it"), freeze.note or shown.EMPTY),
    ]


show_on(Request, Explained(Freeze, asked, "admin/members/freeze_asked.html", place=10))
show_on(
    Member,
    Panel(
        Freeze,
        lambda it: {"member": it},
        lambda it: {"q": it.number},
        without=("member",),
        place=30,
        empty=_("Never frozen"),
        way=way,
    ),
)

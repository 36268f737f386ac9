"""Two members that may be one person."""

from django.contrib import admin
from django.utils.translation import gettext_lazy as _

from members.models import LinkCase, Merge
from sync.admin import scope, search, shown
from sync.admin.pages import HubAdmin


@admin.register(LinkCase)
class LinkCaseAdmin(HubAdmin):
    within = staticmethod(scope.of_member("member_id"))
    list_display = [
        shown.state("kind", _("Kind")),
        shown.code("mask", _("Value")),
        shown.link("member", _("Member")),
        shown.link("other", _("Other member")),
        shown.state("state", _("State")),
        shown.at("created_at", _("Opened")),
        shown.at("closed_at", _("Closed")),
    ]
    list_select_related = ["member", "other"]
    list_filter = ["state", "kind"]
    ordering = ["-id"]
    searches = [search.by_number("M", "member__number")]
    search_help_text = _("Member number")
    fieldsets = [(None, {"fields": [*list_display]})]


@admin.register(Merge)
class MergeAdmin(HubAdmin):
    within = staticmethod(scope.of_member("target_id"))
    list_display = [
        shown.state("kind", _("Kind")),
        shown.link("source", _("Absorbed")),
        shown.link("target", _("Survivor")),
        "by",
        shown.at("at", _("At")),
        shown.at("undone_at", _("Undone")),
    ]
    list_select_related = ["source", "target"]
    list_filter = ["kind"]
    ordering = ["-id"]
    searches = [search.by_number("M", "target__number")]
    search_help_text = _("Member number")
    fieldsets = [(None, {"fields": [*list_display]})]  # the journal holds what was absorbed: not for eyes

"""Policies, and who agreed to them."""

from django.contrib import admin
from django.utils.translation import gettext_lazy as _

from members.models import Consent, Policy
from sync.admin import scope, search, shown
from sync.admin.pages import ByChannel, HubAdmin


@admin.register(Consent)
class ConsentAdmin(HubAdmin):
    within = staticmethod(scope.of_member("member_id"))
    list_display = [
        "purpose",
        "version",
        shown.state("act", _("Act")),
        shown.link("member", _("Member")),
        "channel",
        shown.at("at", _("At")),
    ]
    list_select_related = ["member", "channel"]
    list_filter = [ByChannel, "act"]
    ordering = ["-id"]
    searches = [search.by_number("M", "member__number")]
    search_help_text = _("Member number")
    fieldsets = [(None, {"fields": [*list_display, "evidence", "text_digest"]})]


@admin.register(Policy)
class PolicyAdmin(HubAdmin):
    list_display = [
        "title",
        "purpose",
        "version",
        "locale",
        shown.yes("is_required", _("Required")),
        shown.yes("is_current", _("Current")),
    ]
    list_filter = ["is_current"]
    editable = ("title", "is_required", "is_current")
    on_adding = ("purpose", "version", "locale", "title", "text_url", "text_digest", "is_required", "is_current")
    fieldsets = [
        (None, {"fields": ["title", ("purpose", "version", "locale"), ("is_required", "is_current")]}),
        (_("Text"), {"fields": ["text_url", "text_digest"]}),
    ]

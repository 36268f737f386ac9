"""What ties doors to members."""

from django.contrib import admin
from django.utils.translation import gettext_lazy as _

from members.models import Identity
from sync.admin import scope, search, shown
from sync.admin.pages import ByChannel, HubAdmin


@admin.register(Identity)
class IdentityAdmin(HubAdmin):
    within = staticmethod(scope.of_member("member_id"))
    list_display = [
        shown.state("kind", _("Kind")),
        shown.code("mask", _("Value")),
        shown.code("namespace", _("Namespace")),
        shown.state("proof", _("Proof")),
        shown.link("member", _("Member")),
        "channel",
        shown.at("verified_at", _("Verified")),
        shown.at("last_seen_at", _("Last seen")),
    ]
    list_select_related = ["member", "channel"]
    list_filter = [ByChannel, "kind", "proof"]
    lookups = ("member__id__exact",)
    ordering = ["-id"]
    searches = [search.by_number("M", "member__number"), search.by_id("pk", "member_id")]
    search_help_text = _("Member number")
    fieldsets = [(None, {"fields": [*list_display, "assurance", shown.at("created_at", _("Created"))]})]

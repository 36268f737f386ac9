"""The terms: tiers and the rules that earn."""

from django.contrib import admin
from django.utils.translation import gettext_lazy as _

from loyalty.models import EarnRule, Tier
from sync.admin import shown
from sync.admin.pages import HubAdmin


@admin.register(Tier)
class TierAdmin(HubAdmin):
    list_display = ["name", "code", shown.money("threshold_fen", _("From spending"))]
    editable = ("name", "threshold_fen")
    on_adding = ("code", "name", "threshold_fen")
    fieldsets = [(None, {"fields": [("name", "code"), "threshold_fen"]})]


@admin.register(EarnRule)
class EarnRuleAdmin(HubAdmin):
    list_display = ["code", "version", "kind", "points_per_yuan", shown.state("state", _("State"))]
    editable = ("state",)
    on_adding = ("code", "version", "points_per_yuan", "state")
    fieldsets = [
        (None, {"fields": [("code", "version"), "points_per_yuan", "state", shown.at("created_at", _("Created"))]})
    ]

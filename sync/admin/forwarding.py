"""What the hub passes on without reading it."""

from django.contrib import admin
from django.utils.translation import gettext_lazy as _

from sync.admin import scope, search, shown
from sync.admin.pages import ByChannel, HubAdmin
from sync.models import ForwardedPush


@admin.register(ForwardedPush)
class ForwardedPushAdmin(HubAdmin):
    within = staticmethod(scope.of_channel("endpoint__channel"))
    list_display = [
        shown.code("type", _("Type")),
        shown.computed("endpoint", _("Endpoint"), lambda it: shown.linked(it.endpoint, it.endpoint.channel)),
        shown.state("state", _("State")),
        "attempts",
        shown.computed("answer", _("Answer"), lambda it: str(it.status or it.error or shown.EMPTY)),
        shown.at("created_at", _("Received")),
        shown.at("next_at", _("Next try")),
        shown.at("finished_at", _("Finished")),
    ]
    list_select_related = ["endpoint__channel"]
    list_filter = [ByChannel.at("endpoint__channel"), "state"]
    ordering = ["-id"]
    searches = [search.by_id("pk", "endpoint_id"), search.exactly("message_id", "type")]
    search_help_text = _("Message id or type")
    fieldsets = [(None, {"fields": [*list_display, ("sender", "message_id")]})]

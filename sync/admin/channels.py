"""Channels, their groups, keys and endpoints."""

import base64
import secrets

from django import forms
from django.contrib import admin
from django.utils.translation import gettext_lazy as _
from guardian.shortcuts import assign_perm

from sync.admin import scope, search, shown
from sync.admin.outside import judging
from sync.admin.pages import ByChannel, HubAdmin
from sync.admin.panels import Panel, show_on
from sync.models import Channel, ChannelKey, Delivery, Endpoint, Event, SharingGroup

MOST_MINUTES = 24 * 60


@admin.register(SharingGroup)
class SharingGroupAdmin(HubAdmin):
    within = staticmethod(lambda channels: scope.Q(pk__in=[each.group_id for each in channels]))
    list_display = ["name", "code"]
    editable = ("name",)
    on_adding = ("code", "name")
    fieldsets = [(None, {"fields": ["name", "code"]})]


class ChannelForm(forms.ModelForm):
    """Lifetimes that fit together, refused beside the field that does not."""

    def clean(self):
        given = super().clean()
        minutes, idle, longest = (given.get(name) for name in ChannelAdmin.lasting)
        if minutes is not None and not 1 <= minutes <= MOST_MINUTES:
            self.add_error("access_minutes", _("From one minute to a day: 1 to 1440"))
        if idle is not None and idle < 1:
            self.add_error("session_idle_days", _("At least one day"))
        if idle is not None and longest is not None and longest < idle:
            self.add_error("session_max_days", _("No shorter than without use"))
        return given


@admin.register(Channel)
class ChannelAdmin(HubAdmin):
    within = staticmethod(lambda channels: scope.Q(pk__in=[each.pk for each in channels]))
    list_display = ["name", "code", "kind", "group", shown.yes("is_active", _("Active")), "app_id", "merchant_id"]
    list_select_related = ["group"]
    list_filter = ["kind", "is_active"]
    searches = [search.exactly("code", "name", "app_id")]
    limits = ("earn_per_entry", "earn_per_member", "earn_per_day", "refund_window_days")
    form = ChannelForm
    lasting = ("access_minutes", "session_idle_days", "session_max_days")
    editable = ("name", "group", "app_id", "merchant_id", "origins", "is_trusted", "is_active", *limits, *lasting)
    on_adding = ("code", "kind", "name", "group")
    fieldsets = [
        (None, {"fields": [("name", "code"), ("kind", "group"), "is_active"]}),
        (_("WeChat"), {"fields": [("app_id", "merchant_id")]}),
        (_("What it may do"), {"fields": ["origins", "is_trusted", limits]}),
        (_("How long members stay signed in"), {"fields": [lasting[:2], lasting[2]]}),
        (_("History"), {"fields": [shown.at("created_at", _("Created"))]}),
    ]

    def save_model(self, request, obj, form, change):
        super().save_model(request, obj, form, change)
        if not change:  # else whoever made it could not see it
            assign_perm("sync.view_channel", request.user, obj)


@admin.register(ChannelKey)
class ChannelKeyAdmin(HubAdmin):
    within = staticmethod(scope.of_channel())
    list_display = [
        "label",
        "channel",
        shown.computed("scopes", _("Scopes"), lambda key: ", ".join(key.scopes)),
        shown.at("created_at", _("Created")),
        shown.at("last_used_at", _("Last used")),
        shown.at("revoked_at", _("Revoked")),
    ]
    list_select_related = ["channel"]
    list_filter = [ByChannel]
    lookups = ("channel__id__exact",)
    fieldsets = [(None, {"fields": list_display})]


@admin.register(Endpoint)
class EndpointAdmin(HubAdmin):
    within = staticmethod(scope.of_channel())
    list_display = [
        "url",
        "channel",
        shown.yes("is_active", _("Active")),
        shown.at("last_success_at", _("Last success")),
        shown.at("failing_since", _("Failing since")),
    ]
    list_select_related = ["channel"]
    list_filter = [ByChannel, "is_active"]
    lookups = ("channel__id__exact",)
    editable = ("url", "types", "is_active")
    on_adding = ("channel", "url", "types")
    fieldsets = [
        (None, {"fields": ["channel", "url", "types", "is_active", "disabled_reason"]}),
        (
            _("History"),
            {
                "fields": [
                    (shown.at("last_success_at", _("Last success")), shown.at("failing_since", _("Failing since"))),
                    shown.at("created_at", _("Created")),
                ]
            },
        ),
    ]

    def get_form(self, request, obj=None, **kwargs):
        return judging(super().get_form(request, obj, **kwargs), "url")

    def save_model(self, request, obj, form, change):
        if not change:
            obj.secret = "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()
        super().save_model(request, obj, form, change)


show_on(
    Channel,
    Panel(Endpoint, lambda channel: {"channel": channel}, lambda it: {"channel": it.code}, without=("channel",)),
    Panel(ChannelKey, lambda channel: {"channel": channel}, lambda it: {"channel": it.code}, without=("channel",)),
)
show_on(Endpoint, Panel(Delivery, lambda it: {"endpoint": it}, lambda it: {"endpoint__id__exact": it.pk}))
show_on(Event, Panel(Delivery, lambda event: {"event": event}, without=("event_type", "subject")))

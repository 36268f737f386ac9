"""Addresses that channels want their facts pushed to."""

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as now_in_words
from django.utils.translation import gettext_lazy as _
from django.utils.translation import gettext_noop
from django.views.decorators.debug import sensitive_variables

from sync import registry, samples
from sync.admin import rotating, scope, shown, trying
from sync.admin.choosing import Several, types
from sync.admin.once import shown_once
from sync.admin.outside import judging
from sync.admin.pages import ByChannel, HubAdmin
from sync.models import Channel, Endpoint

FORWARDED = gettext_noop("wechat.push")  # what WeChat pushes and the hub does not handle itself


class EndpointForm(forms.ModelForm):
    """An address, and which types of facts go there."""

    types = Several(
        types((*samples.TYPES, FORWARDED)),
        label=_("Event types"),
        help_text=_("None ticked: every type, those to come included"),
    )

    def clean(self):
        """An address is there once: events would arrive twice."""
        given = super().clean()
        channel = given.get("channel") or getattr(self.instance, "channel", None)
        twins = Endpoint.objects.filter(channel=channel, url=given.get("url")).exclude(pk=self.instance.pk)
        if channel and "url" in given and twins.exists():
            self.add_error("url", ValidationError(_("This channel has this address already")))
        return given


@admin.register(Endpoint)
class EndpointAdmin(HubAdmin):
    within = staticmethod(scope.of_channel())
    form = EndpointForm
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
        (None, {"fields": ["channel", "url", "is_active", "disabled_reason", "types"]}),
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
    change_form_outer_before_template = "admin/sync/endpoint.html"

    def get_urls(self):
        return [*rotating.endpoint_urls(self), *trying.urls(self), *super().get_urls()]

    def get_form(self, request, obj=None, **kwargs):
        return judging(super().get_form(request, obj, **kwargs), "url")

    def save_model(self, request, obj, form, change):
        if not change:
            obj.secret, obj.secret_at = registry.made(), timezone.now()
        super().save_model(request, obj, form, change)

    @sensitive_variables()
    def response_add(self, request, obj, post_url_continue=None):
        """The secret that it was given, once."""
        told = now_in_words("The hub signs with it what it pushes to this address. Test the address from its page.")
        back = {"back": reverse("admin:sync_endpoint_change", args=[obj.pk]), "back_title": obj.url}
        title = now_in_words("Outbound signing secret")
        return shown_once(self, request, obj.secret, title=title, told=told, **back)

    def explained(self, request, row) -> dict:
        may = self.has_change_permission(request, row)
        return {"secret": rotating.of_endpoint(self, request, row), "try_url": may and trying.url(row)}


def way(request, channel: Channel) -> dict | None:
    """The way to a new address of a channel, for whoever may add one."""
    if not request.user.has_perm("sync.add_endpoint"):
        return None
    return {"title": _("New address"), "url": f"{reverse('admin:sync_endpoint_add')}?channel={channel.pk}"}

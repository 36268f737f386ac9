"""Channels and their groups: all that a channel is, changed here and true for the next request."""

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _
from guardian.shortcuts import assign_perm

from sync import registry
from sync.admin import endpoints, keys, rotating, scope, search, shown
from sync.admin.choosing import Several, origin
from sync.admin.pages import HubAdmin
from sync.admin.panels import Panel, show_on
from sync.models import Channel, ChannelKey, Delivery, Endpoint, Event, Method, SharingGroup, Visible

MOST_MINUTES = 24 * 60
IN_USE = _(
    "Members, orders or pushed events belong to this channel: they stay in the sharing group that the members agreed"
    " to. Make a new channel in the other group, and switch this one off."
)
LIMITS = ("earn_per_entry", "earn_per_member", "earn_per_day")
QUOTAS = ("calls_per_minute", "sms_per_day")
LASTING = ("access_minutes", "session_idle_days", "session_max_days")


@admin.register(SharingGroup)
class SharingGroupAdmin(HubAdmin):
    within = staticmethod(lambda channels: scope.Q(pk__in=[each.group_id for each in channels]))
    list_display = ["name", "code"]
    editable = ("name",)
    on_adding = ("code", "name")
    fieldsets = [(None, {"fields": ["name", "code"]})]


class ChannelForm(forms.ModelForm):
    """What does not fit together is refused beside the field that does not."""

    visible_fields = Several(
        Visible.choices,
        label=_("What its backend sees of a member"),
        help_text=_("What is not ticked is left out of every answer to its backend"),
    )
    sign_in_methods = Several(
        Method.choices, label=_("Ways to sign in"), help_text=_("What is not ticked is refused at once")
    )

    def clean_group(self) -> SharingGroup:
        """Members agreed to be known to one handler: who knows any stays with it. A new channel is cheap."""
        group = self.cleaned_data["group"]
        if not self.instance._state.adding and group.pk != self.instance.group_id and registry.is_used(self.instance):
            raise ValidationError(IN_USE)
        return group

    def clean_origins(self) -> list[str]:
        """As browsers send them, each once."""
        return list(dict.fromkeys(origin(each) for each in self.cleaned_data["origins"] if each.strip()))

    def clean_app_id(self) -> str:
        """An app belongs to one channel."""
        app_id = self.cleaned_data["app_id"].strip()
        other = app_id and Channel.objects.filter(app_id=app_id).exclude(pk=self.instance.pk).first()
        if other:
            raise ValidationError(_("This app belongs to the channel %(channel)s"), params={"channel": other.name})
        return app_id

    def clean_merchant_id(self) -> str:
        """Whose merchant a channel has sees that merchant's bills and messages: one of channels held, or a new one."""
        merchant = self.cleaned_data["merchant_id"].strip()
        same = Channel.objects.filter(merchant_id=merchant)
        is_held = same.filter(pk__in=[each.pk for each in self.sight.channels]).exists()
        if merchant and same.exists() and not is_held:
            raise ValidationError(_("This merchant belongs to a channel that you do not hold"))
        return merchant

    def clean(self):
        given = super().clean()
        minutes, idle, longest = (given.get(name) for name in LASTING)
        if minutes is not None and not 1 <= minutes <= MOST_MINUTES:
            self.add_error("access_minutes", _("From one minute to a day: 1 to 1440"))
        if idle is not None and idle < 1:
            self.add_error("session_idle_days", _("At least one day"))
        if idle is not None and longest is not None and longest < idle:
            self.add_error("session_max_days", _("No shorter than without use"))
        return given


CHOSEN = {
    "visible_fields": (_("What its backend sees of a member"), Visible),
    "sign_in_methods": (_("Ways to sign in"), Method),
}


def _in_words(fieldset: dict) -> dict:
    """What was chosen of a list, in words, for those who only read."""
    return fieldset | {"fields": [_chosen(each) if each in CHOSEN else each for each in fieldset["fields"]]}


def _chosen(name: str):
    label, words = CHOSEN[name]
    known = dict(words.choices)

    def show(channel: Channel) -> str:
        return ", ".join(str(known.get(each, each)) for each in getattr(channel, name)) or shown.EMPTY

    return shown.computed(name, label, show)


@admin.register(Channel)
class ChannelAdmin(HubAdmin):
    within = staticmethod(lambda channels: scope.Q(pk__in=[each.pk for each in channels]))
    list_display = ["name", "code", "kind", "group", shown.yes("is_active", _("Active")), "app_id", "merchant_id"]
    list_select_related = ["group"]
    list_filter = ["kind", "is_active"]
    searches = [search.exactly("code", "name", "app_id")]
    form = ChannelForm
    editable = (
        *("name", "group", "app_id", "merchant_id", "origins", "visible_fields", "sign_in_methods"),
        *("is_trusted", "is_active", "refund_window_days"),
        *(*LIMITS, *QUOTAS, *LASTING),
    )
    on_adding = ("code", "kind", "name", "group")
    settings = [
        (_("WeChat"), {"fields": [("app_id", "merchant_id")]}),
        (_("Members on this channel"), {"fields": ["sign_in_methods", LASTING[:2], LASTING[2], "origins"]}),
        (_("What its backend may do"), {"fields": ["visible_fields", "is_trusted", QUOTAS]}),
        (_("Points"), {"fields": [LIMITS, "refund_window_days"]}),
    ]
    fieldsets = [
        (None, {"fields": [("name", "code"), ("kind", "group"), "is_active"]}),
        *settings,
        (_("History"), {"fields": [shown.at("created_at", _("Created"))]}),
    ]
    change_form_outer_after_template = "admin/sync/channel.html"

    def get_fieldsets(self, request, obj=None):
        new = (None, {"fields": [("code", "name"), ("kind", "group"), "is_active"]})
        if obj is None:
            return [new, *self.settings]
        sets = super().get_fieldsets(request, obj)
        return sets if self.has_change_permission(request, obj) else [(name, _in_words(each)) for name, each in sets]

    def get_urls(self):
        return [*rotating.channel_urls(self), *super().get_urls()]

    def get_form(self, request, obj=None, **kwargs):
        made = super().get_form(request, obj, **kwargs)
        made.sight = scope.sight(request)
        return made

    def save_model(self, request, obj, form, change):
        super().save_model(request, obj, form, change)
        if not change:  # else whoever made it could not see it
            assign_perm("sync.view_channel", request.user, obj)

    def explained(self, request, row) -> dict:
        return {"secrets": rotating.of_channel(self, request, row)}


def _of(channel: Channel) -> dict:
    return {"channel": channel}


def _all_of(channel: Channel) -> dict:
    return {"channel": channel.code}


show_on(
    Channel,
    Panel(Endpoint, _of, _all_of, without=("channel",), way=endpoints.way),
    Panel(ChannelKey, _of, _all_of, without=("channel",), way=keys.way),
)
show_on(Endpoint, Panel(Delivery, lambda it: {"endpoint": it}, lambda it: {"endpoint__id__exact": it.pk}))
show_on(Event, Panel(Delivery, lambda event: {"event": event}, without=("event_type", "subject")))

"""Keys of channels: made and revoked here; what a key is, is shown once."""

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404
from django.shortcuts import redirect
from django.urls import path, reverse
from django.utils.html import format_html
from django.utils.text import format_lazy
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_POST

from sync import registry
from sync.admin import scope, shown
from sync.admin.choosing import NOTHING_CHOSEN, Several, Ticked
from sync.admin.once import asked, shown_once
from sync.admin.pages import ByChannel, HubAdmin
from sync.ids import uuid7
from sync.models import Channel, ChannelKey, Scope


class KeyForm(forms.Form):
    """Whose it is, where it is used, what it may do. `id` makes it the same key when the page is sent twice."""

    id = forms.UUIDField(widget=forms.HiddenInput)
    channel = forms.ModelChoiceField(
        Channel.objects.none(), label=gettext_lazy("Channel"), widget=forms.Select(attrs={"class": "hub-input"})
    )
    label = forms.CharField(
        max_length=80,
        label=gettext_lazy("Label"),
        help_text=gettext_lazy("Where it is used: server, system, person"),
        widget=forms.TextInput(attrs={"class": "hub-input", "autocomplete": "off", "autofocus": True}),
    )
    scopes = Several(
        [(value, format_lazy("{} · {}", label, value)) for value, label in Scope.choices],
        label=gettext_lazy("What it may do"),
        required=True,
        error_messages={"required": NOTHING_CHOSEN},
        widget=Ticked,
    )

    def __init__(self, *args, channels, **kwargs):
        super().__init__(*args, **kwargs)
        self.fields["channel"].queryset = channels


def _in_part(key: ChannelKey) -> str:
    """How it ends: enough to tell it from others."""
    return format_html("<code>…{}</code>", key.ending) if key.ending else shown.EMPTY


def _state_of(key: ChannelKey) -> str:
    return shown.tag(_("No longer valid"), shown.BAD) if key.revoked_at else shown.tag(_("Valid"), shown.GOOD)


def _in_short(scopes: list[str]) -> str:
    return _("All") if set(scopes) >= set(Scope.values) else ", ".join(scopes) or shown.EMPTY


def _all(key: ChannelKey) -> str:
    known = dict(Scope.choices)
    return ", ".join(f"{known.get(each, each)} ({each})" for each in key.scopes) or shown.EMPTY


@admin.register(ChannelKey)
class ChannelKeyAdmin(HubAdmin):
    within = staticmethod(scope.of_channel())
    list_display = [
        "label",
        "channel",
        shown.computed("ending", gettext_lazy("Ends with"), _in_part),
        shown.computed("scopes", gettext_lazy("Scopes"), lambda key: _in_short(key.scopes)),
        shown.computed("state", gettext_lazy("State"), _state_of),
        shown.at("created_at", gettext_lazy("Created")),
        shown.at("last_used_at", gettext_lazy("Last used")),
    ]
    list_select_related = ["channel"]
    list_filter = [ByChannel]
    lookups = ("channel__id__exact",)
    ordering = ["-created_at"]
    editable = ("label",)
    on_adding = ("channel", "label", "scopes")
    fieldsets = [
        (None, {"fields": [("label", "channel"), (list_display[2], list_display[4])]}),
        (
            gettext_lazy("What it may do"),
            {"fields": [shown.computed("scopes", gettext_lazy("Scopes"), _all)]},
        ),
        (
            gettext_lazy("History"),
            {"fields": [(list_display[5], list_display[6]), shown.at("revoked_at", gettext_lazy("Revoked"))]},
        ),
    ]
    change_form_outer_before_template = "admin/sync/key.html"

    def get_urls(self):
        act = self.admin_site.admin_view(require_POST(self.revoke))
        return [path("<uuid:key>/revoke/", act, name="sync_channelkey_revoke"), *super().get_urls()]

    def explained(self, request, row) -> dict:
        return {"key": row, "may_revoke": row.revoked_at is None and self.has_change_permission(request, row)}

    @sensitive_variables("clear")
    def add_view(self, request, form_url="", extra_context=None):
        """Ask, make, show once. The same request again, a page reloaded, makes nothing and shows nothing."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        channels = self.admin_site._registry[Channel].get_queryset(request)
        known = {"id": uuid7(), "channel": request.GET.get("channel")}
        form = KeyForm(request.POST or None, initial=known, channels=channels)
        back = {"back": reverse("admin:sync_channelkey_changelist"), "back_title": _("Channel keys")}
        if not form.is_valid():
            told = [_("The key is shown once, right after it is made. Have a safe place for it ready.")]
            return asked(self, request, form, title=_("New key"), button=_("Make the key"), told=told, **back)
        given = form.cleaned_data
        try:
            clear = registry.issue_key(**given)
        except registry.Known:
            messages.warning(request, _("This key was made before, and shown then. Whoever lost it makes another one."))
            return redirect(back["back"])
        key = ChannelKey.objects.get(pk=given["id"])
        self.log_addition(request, key, [{"added": {}}])
        told = _("For requests: Authorization: Bearer and this key. It is valid at once.")
        title = _("Key for %(channel)s: %(label)s") % {"channel": given["channel"], "label": given["label"]}
        way_back = {"back": reverse("admin:sync_channel_change", args=[key.channel_id]), "back_title": given["channel"]}
        return shown_once(self, request, clear, title=title, told=told, **way_back)

    def revoke(self, request, key):
        """Refuse a key from now on; then back to its page."""
        row = self.get_queryset(request).filter(pk=key).first()
        if row is None:
            raise Http404
        if not self.has_change_permission(request, row):
            raise PermissionDenied
        registry.revoke_key(row.pk)
        self.log_change(request, row, [{"changed": {"fields": [str(_("revoked"))]}}])
        messages.success(request, _("The key is refused from now on"))
        return redirect("admin:sync_channelkey_change", row.pk)


def way(request, channel: Channel) -> dict | None:
    """The way to a new key of a channel, for whoever may make one."""
    if not request.user.has_perm("sync.add_channelkey"):
        return None
    return {"title": _("New key"), "url": f"{reverse('admin:sync_channelkey_add')}?channel={channel.pk}"}

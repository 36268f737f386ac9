"""Secrets on the pages of channels and endpoints: written, never read; rotated with a day in which both are valid."""

from functools import partial
from re import fullmatch

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import BooleanField, ExpressionWrapper, Q
from django.http import Http404
from django.shortcuts import redirect
from django.urls import path, reverse
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables
from django.views.decorators.http import require_POST

from sync import registry
from sync.admin.once import asked, shown_once
from sync.admin.shown import EMPTY, moment
from sync.models import Channel, Endpoint

WECHAT = {  # name: (what staff call it, what it looks like, how that is said)
    "app_secret": (gettext_lazy("WeChat app secret"), r"[!-~]{16,64}", gettext_lazy("16 to 64 letters and digits")),
    "push_token": (
        gettext_lazy("Message push: token"),
        r"[A-Za-z0-9_-]{3,32}",
        gettext_lazy("3 to 32 letters and digits, as typed at WeChat"),
    ),
    "push_key": (
        gettext_lazy("Message push: EncodingAESKey"),
        r"[A-Za-z0-9+/]{43}",
        gettext_lazy("Exactly 43 letters and digits, as WeChat shows it"),
    ),
}
INBOUND = gettext_lazy("Inbound signing secret")


class Unseen(forms.PasswordInput):
    """What is typed is never put back into the page."""

    def __init__(self):
        super().__init__(attrs={"class": "hub-input", "autocomplete": "new-password", "spellcheck": "false"})


class SecretForm(forms.Form):
    """What WeChat gave."""

    value = forms.CharField(max_length=200, label=gettext_lazy("New value"), widget=Unseen)

    def __init__(self, *args, name: str, **kwargs):
        super().__init__(*args, **kwargs)
        _title, self.form_of, self.told = WECHAT[name]
        self.fields["value"].help_text = self.told

    def clean_value(self) -> str:
        value = self.cleaned_data["value"]
        if not fullmatch(self.form_of, value):
            raise ValidationError(_("This is not what it looks like: %(told)s"), params={"told": self.told})
        return value


class RotateForm(forms.Form):
    """`as_of` says which one the reader saw, so that a page sent twice rotates once."""

    as_of = forms.CharField(required=False, widget=forms.HiddenInput)
    at_once = forms.BooleanField(
        required=False,
        label=gettext_lazy("It has leaked: the old one ends now"),
        help_text=gettext_lazy("Else both are valid for 24 hours"),
    )


class InboundForm(RotateForm):
    """A secret that the other side made, else one is made here."""

    value = forms.CharField(
        max_length=200,
        required=False,
        label=gettext_lazy("A secret of the channel's own"),
        help_text=gettext_lazy("whsec_…; leave it empty and the hub makes one"),
        widget=Unseen,
    )
    field_order = ("value", "at_once")


def channel_urls(page) -> list:
    """Paths on a channel's page."""
    wrap = page.admin_site.admin_view
    hidden = sensitive_post_parameters("value")
    return [
        path("<uuid:key>/secret/inbound/", wrap(hidden(partial(_inbound, page))), name="sync_channel_inbound"),
        path("<uuid:key>/secret/inbound/end/", wrap(require_POST(partial(_end, page))), name="sync_channel_end"),
        path("<uuid:key>/secret/<slug:name>/", wrap(hidden(partial(_set, page))), name="sync_channel_secret"),
    ]


def endpoint_urls(page) -> list:
    """Paths on an endpoint's page."""
    wrap = page.admin_site.admin_view
    return [
        path("<uuid:key>/rotate/", wrap(partial(_outbound, page)), name="sync_endpoint_rotate"),
        path("<uuid:key>/rotate/end/", wrap(require_POST(partial(_end, page))), name="sync_endpoint_end"),
    ]


def of_channel(page, request, channel: Channel) -> list[dict]:
    """A channel's secrets for its page: what each is called, whether and since when it is set, what may be done."""
    may, names = page.has_change_permission(request, channel), [*WECHAT, "inbound_secret"]
    of_each = {name: ExpressionWrapper(Q(**{f"{name}__isnull": False}), BooleanField()) for name in names}
    are_set = dict(zip(names, Channel.objects.values_list(*of_each.values()).get(pk=channel.pk), strict=True))
    found = []
    for name, (title, _looks, _told) in WECHAT.items():
        url = reverse("admin:sync_channel_secret", args=[channel.pk, name])
        found.append(_row(title, are_set[name], getattr(channel, f"{name}_at"), may and url))
    url = reverse("admin:sync_channel_inbound", args=[channel.pk])
    inbound = _row(INBOUND, are_set["inbound_secret"], channel.inbound_secret_at, may and url)
    return [*found, inbound | _overlap(channel.inbound_overlap_until, may and f"{url}end/")]


def of_endpoint(page, request, endpoint: Endpoint) -> dict:
    """The same of an endpoint's only one."""
    may, url = page.has_change_permission(request, endpoint), reverse("admin:sync_endpoint_rotate", args=[endpoint.pk])
    title = _("Outbound signing secret")
    row = _row(title, True, endpoint.secret_at or endpoint.created_at, may and url)
    return row | _overlap(endpoint.overlap_until, may and f"{url}end/")


def _row(title, is_set: bool, at, url) -> dict:
    return {"title": title, "is_set": is_set, "at": moment(at) if is_set and at else EMPTY, "url": url}


def _overlap(until, url) -> dict:
    is_on = until is not None and timezone.now() < until
    return {"until": moment(until), "end": url} if is_on else {}


def _found(page, request, key):
    """The row, of which the reader may change the secrets; raises 404, 403."""
    row = page.get_queryset(request).filter(pk=key).first()
    if row is None:
        raise Http404
    if not page.has_change_permission(request, row):
        raise PermissionDenied
    return row


def _back(row) -> dict:
    return {"back": reverse(f"admin:sync_{row._meta.model_name}_change", args=[row.pk]), "back_title": str(row)}


def _note(page, request, row, what: object) -> None:
    page.log_change(request, row, [{"changed": {"fields": [str(what)]}}])


@sensitive_variables("form")
def _set(page, request, key, name):
    """Take what WeChat gave; it is never shown again."""
    channel = _found(page, request, key)
    if name not in WECHAT:
        raise Http404
    form, title = SecretForm(request.POST or None, name=name), WECHAT[name][0]
    if form.is_valid():
        registry.set_secret(channel.pk, name, form.cleaned_data["value"])
        _note(page, request, channel, title)
        messages.success(request, _("%(secret)s is set: it counts from now on") % {"secret": title})
        return redirect("admin:sync_channel_change", channel.pk)
    told = [_("What is set now cannot be shown. What you type takes its place at once.")]
    return asked(page, request, form, title=title, told=told, **_back(channel))


@sensitive_variables("form", "secret")
def _inbound(page, request, key):
    """Ask, rotate, show once."""
    channel = _found(page, request, key)
    form = InboundForm(request.POST or None, initial={"as_of": _stamp(channel.inbound_secret_at)})
    secret = form.is_valid() and _rotated(form, partial(_given, channel, form.cleaned_data["value"]))
    told = [_("With it the channel's backend signs what it pushes to the hub. It is shown once.")]
    if not secret:
        return asked(page, request, form, title=INBOUND, button=_("Set a new one"), told=told, **_back(channel))
    _note(page, request, channel, INBOUND)
    return shown_once(
        page, request, secret, title=INBOUND, told=_what_now(Channel.objects.get(pk=key)), **_back(channel)
    )


def _given(channel: Channel, value: str, **asked) -> str:
    return registry.rotate_inbound(channel.pk, given=value, **asked)


@sensitive_variables("form", "secret")
def _outbound(page, request, key):
    """Ask, rotate, show once."""
    endpoint, title = _found(page, request, key), _("Outbound signing secret")
    form = RotateForm(request.POST or None, initial={"as_of": _stamp(endpoint.secret_at)})
    secret = form.is_valid() and _rotated(form, partial(registry.rotate_outbound, endpoint.pk))
    told = [
        _("With it the hub signs what it pushes to this address. It is shown once."),
        _("For 24 hours every push carries a signature of each: take the new one over within this time."),
    ]
    if not secret:
        return asked(page, request, form, title=title, button=_("Set a new one"), told=told, **_back(endpoint))
    _note(page, request, endpoint, title)
    return shown_once(
        page, request, secret, title=title, told=_what_now(Endpoint.objects.get(pk=key)), **_back(endpoint)
    )


def _rotated(form: RotateForm, rotate) -> str:
    """The new secret; empty when it was refused, which the form then says."""
    try:
        return rotate(as_of=parse_datetime(form.cleaned_data["as_of"] or ""), at_once=form.cleaned_data["at_once"])
    except (registry.Unfit, ValueError) as error:
        form.add_error("value" if form.data.get("value") else "at_once", str(error))
        return ""


def _what_now(row: Channel | Endpoint) -> str:
    until = row.inbound_overlap_until if isinstance(row, Channel) else row.overlap_until
    if until:
        return _("The old one stays valid until %(until)s.") % {"until": moment(until)}
    return _("It is the only one that is valid.")


def _end(page, request, key):
    """Let the old one go; then back."""
    row = _found(page, request, key)
    registry.end_overlap(row)
    _note(page, request, row, _("old secret ended"))
    messages.success(request, _("Only the new secret is valid from now on"))
    return redirect(f"admin:sync_{row._meta.model_name}_change", row.pk)


def _stamp(at) -> str:
    return at.isoformat() if at else ""

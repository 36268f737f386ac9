"""Giving the hub a key that WeChat Pay signs with: pasted on the merchant's page, checked, believed from then on."""

from functools import partial

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables

from orders import services
from orders.models import Merchant
from orders.services.keying import PUBLIC_KEY_ID, serial_of
from sync.act import Actor

CHANGE = "orders.change_merchantkey"
LONGEST = 10_000  # characters of a PEM


class Pasted(forms.Textarea):
    """A text that is never shown again: it may be what nobody should see."""

    def get_context(self, name, value, attrs):
        return super().get_context(name, None, attrs)


class KeyForm(forms.Form):
    """A public key with its id, or a certificate, which carries its serial itself."""

    pem = forms.CharField(
        max_length=LONGEST,
        label=gettext_lazy("Public key or certificate (PEM)"),
        help_text=gettext_lazy("From -----BEGIN to the end of the END line; never your own private key"),
        widget=Pasted(
            attrs={"class": "hub-input", "rows": 10, "autofocus": True, "autocomplete": "off", "spellcheck": "false"}
        ),
    )
    serial = forms.CharField(
        max_length=64,
        required=False,
        label=gettext_lazy("Public key ID"),
        help_text=gettext_lazy("PUB_KEY_ID_…, as the merchant platform shows it; empty for a certificate"),
        widget=forms.TextInput(
            attrs={"class": "hub-input", "autocomplete": "off", "placeholder": PUBLIC_KEY_ID + "0119…"}
        ),
    )

    def kept_under(self) -> str:
        """The id that was typed, else the certificate's own serial."""
        return self.cleaned_data["serial"] or serial_of(self.cleaned_data["pem"])


def way(request, merchant: Merchant) -> dict | None:
    """The way to add a key, for whoever may."""
    if not request.user.has_perm(CHANGE):
        return None
    return {"title": _("Add a key"), "url": reverse("admin:orders_merchant_add_key", args=[merchant.pk])}


def view_of(page):
    """The view, of whose parameters no error report says anything."""
    return page.admin_site.admin_view(sensitive_post_parameters("pem", "serial")(partial(_view, page)))


@sensitive_variables("form")
def _view(page, request, key):
    """Paste, check, believe; then back to the merchant."""
    if not request.user.has_perm(CHANGE):
        raise PermissionDenied
    merchant = page.get_queryset(request).filter(pk=key).first()
    if merchant is None:
        raise Http404
    form = KeyForm(request.POST or None)
    if form.is_valid() and (serial := _added(request, merchant, form)):
        messages.success(
            request, _("What is signed by the key %(serial)s is believed from now on") % {"serial": serial}
        )
        return redirect("admin:orders_merchant_change", merchant.pk)
    context = page.admin_site.each_context(request) | {"title": _("Add a key"), "subtitle": None, "opts": page.opts}
    return TemplateResponse(request, "admin/orders/add_key.html", context | {"form": form, "merchant": merchant})


@sensitive_variables("form", "given")
def _added(request, merchant: Merchant, form: KeyForm) -> str:
    """The serial it is kept under; empty when it was refused, which the form then says."""
    given = {"serial": form.kept_under(), "public_key": form.cleaned_data["pem"]}
    try:
        return services.add_key(merchant=merchant.pk, by=Actor("staff", str(request.user.pk)), **given).serial
    except (services.NotAKey, services.PrivateKey, services.KeyKnown) as error:
        form.add_error("pem", str(error))
        return ""

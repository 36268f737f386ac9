"""Fields of the registry's forms: several of a list as boxes to tick, addresses of pages."""

from urllib.parse import urlsplit

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

PORTS = {"https": 443, "http": 80}


class Several(forms.MultipleChoiceField):
    """Some of a list, or none; taken as boxes, or as one text with commas between."""

    def __init__(self, choices, **kwargs):
        widget = kwargs.pop("widget", UnfoldAdminCheckboxSelectMultipleWidget)
        super().__init__(choices=choices, required=kwargs.pop("required", False), widget=widget, **kwargs)

    def to_python(self, value) -> list[str]:
        given = [part.strip() for each in super().to_python(value) for part in each.split(",")]
        return list(dict.fromkeys(part for part in given if part))


class Ticked(forms.CheckboxSelectMultiple):
    """The same boxes on pages of our own."""

    def __init__(self):
        super().__init__(attrs={"class": "hub-ticks"})


def origin(given: str) -> str:
    """A page's origin as browsers send it; raises ValidationError that names what is wrong."""
    told = gettext("%(given)s is not an origin: https:// and a host, perhaps a port; no path, no *") % {"given": given}
    try:
        parts = urlsplit(given.strip().lower())
        port, host = parts.port, parts.hostname
    except ValueError as error:
        raise ValidationError(told) from error
    beyond = parts.path not in {"", "/"} or parts.query or parts.fragment or "@" in parts.netloc
    if parts.scheme not in PORTS or not host or "*" in host or beyond or not host.isascii():
        raise ValidationError(told)
    named = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{named}" + (f":{port}" if port and port != PORTS[parts.scheme] else "")


def types(known) -> list[tuple[str, str]]:
    """Types of events as staff call them, each with its name in the contract."""
    return [(each, _Named(each)) for each in known]


class _Named:
    """Said in the reader's language, when it is shown."""

    def __init__(self, type: str):
        self.type = type

    def __str__(self) -> str:
        word = gettext(self.type)
        return f"{word} · {self.type}" if word != self.type else self.type


NOTHING_CHOSEN = _("Choose at least one")

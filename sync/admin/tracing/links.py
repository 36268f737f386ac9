"""The ways to the pages of following a message."""

from urllib.parse import urlencode
from uuid import UUID

from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext as _

from sync.admin import shown


def page_of(event: UUID | str) -> str:
    """Where one event is followed."""
    return reverse("admin:sync_event_traced", args=[event])


def looking_for(text: object = "") -> str:
    """Where what was typed is looked for."""
    found = reverse("admin:sync_event_trace")
    return f"{found}?{urlencode({'q': text})}" if text else found


def link(label):
    """A column that leads from an event to its way."""
    return shown.computed(
        "way", label, lambda it: format_html('<a class="hub-link" href="{}">{}</a>', page_of(it.pk), _("Follow"))
    )

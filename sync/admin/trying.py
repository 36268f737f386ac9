"""Trying an address: a signed sample is sent to it now, and what came back is shown."""

import asyncio
import json
from datetime import UTC, datetime
from functools import partial

from django import forms
from django.core.exceptions import PermissionDenied
from django.http import Http404
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from sync import forwarding, quotas, samples
from sync.admin import shown
from sync.admin.choosing import types
from sync.admin.masking import masked
from sync.courier.schedule import Outcome
from sync.courier.sending import signed
from sync.http import Problem
from sync.models import Endpoint

OFTEN = {"limit": 30, "every": 600}  # tries of one person
WHY = {
    "dns": gettext_lazy("The host does not resolve"),
    "tls": gettext_lazy("The certificate is not valid"),
    "address": gettext_lazy("The address leads into a network that is not public"),
    "connect": gettext_lazy("Nobody listens there"),
    "disconnected": gettext_lazy("The connection was closed without an answer"),
    "reset": gettext_lazy("The connection was reset"),
    "timeout": gettext_lazy("No answer within 15 seconds"),
    "redirect": gettext_lazy("A redirect is a failure: it is not followed"),
    "status": gettext_lazy("Only 2xx is success"),
    "protocol": gettext_lazy("What came back is not HTTP"),
}


class TryForm(forms.Form):
    """What is sent."""

    type = forms.ChoiceField(
        choices=[(samples.TEST, gettext_lazy("Test of the connection · endpoint.test")), *types(samples.TYPES)],
        label=gettext_lazy("Event"),
        widget=forms.Select(attrs={"class": "hub-input"}),
    )


def urls(page) -> list:
    """The path on an endpoint's page."""
    return [path("<uuid:key>/try/", page.admin_site.admin_view(partial(_view, page)), name="sync_endpoint_try")]


def url(endpoint: Endpoint) -> str:
    """Where an endpoint is tried."""
    return reverse("admin:sync_endpoint_try", args=[endpoint.pk])


def _view(page, request, key):
    """Choose, send, read the answer."""
    endpoint = page.get_queryset(request).select_related("channel").filter(pk=key).first()
    if endpoint is None:
        raise Http404
    if not page.has_change_permission(request, endpoint):
        raise PermissionDenied
    form = TryForm(request.POST or None)
    tried = _tried(page, request, endpoint, form) if form.is_valid() else None
    known = page.admin_site.each_context(request) | {
        "subtitle": None,
        "opts": page.opts,
        "title": _("Test this address"),
    }
    return TemplateResponse(
        request, "admin/sync/try.html", known | {"endpoint": endpoint, "form": form, "tried": tried}
    )


def _tried(page, request, endpoint: Endpoint, form: TryForm) -> dict | None:
    """What was sent and what came back; None beyond the quota, which the form then says."""
    try:
        quotas.count(f"endpoint-tries/{request.user.pk}", **OFTEN)
    except Problem:
        form.add_error("type", _("That was often: wait some minutes"))
        return None
    type, now = form.cleaned_data["type"], datetime.now(UTC)
    event_id, body = samples.sample(type, endpoint)
    secret, *old = endpoint.secrets(now)
    headers = signed(event_id, body, secret, now, *old)
    outcome = asyncio.run(forwarding.post_alone(endpoint.url, headers, body))
    page.log_change(request, endpoint, [{"changed": {"fields": [f"{_('tried')}: {type}"]}}])
    return {
        "is_success": outcome.is_success,
        "status": outcome.status,
        "milliseconds": outcome.milliseconds,
        "why": _why(outcome),
        "response": masked(outcome.response),
        "headers": headers,
        "body": json.dumps(json.loads(body), ensure_ascii=False, indent=2),
        "at": shown.moment(now),
    }


def _why(outcome: Outcome) -> str:
    return "" if outcome.is_success else str(WHY.get(outcome.error, outcome.error))

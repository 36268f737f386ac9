"""The two pages: what was typed is looked for, and the way of one event."""

from functools import partial

from django.core.exceptions import PermissionDenied
from django.http import Http404
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import path
from django.utils import timezone
from django.utils.translation import gettext as _

from sync.admin import shown
from sync.admin.masking import masked
from sync.admin.tracing import cause, finding
from sync.admin.tracing.links import looking_for, page_of
from sync.admin.tracing.times import precise
from sync.admin.tracing.way import Way, event_of
from sync.models import Delivery

TYPE, SUBJECT = shown.fact("type", ""), shown.subject("subject", "")


def urls(page) -> list:
    """The addresses of both, beside those of the events' own pages."""
    wrap = page.admin_site.admin_view
    return [
        path("trace/", wrap(partial(search, page)), name="sync_event_trace"),
        path("<uuid:key>/trace/", wrap(partial(follow, page)), name="sync_event_traced"),
    ]


def search(page, request):
    """The box; what was typed leads on at once when it means one event alone."""
    _allow(page, request)
    text = finding.cleaned(request.GET.get("q", ""))
    found = finding.look(request, text) if text else None
    if found and len(found.events) == 1 and (not found.messages or found.events[0].pk == finding.as_uuid(text)):
        return redirect(page_of(found.events[0].pk))
    events = [(each, TYPE(each), SUBJECT(each), page_of(each.pk)) for each in found.events] if found else []
    known = {"title": _("Follow a message"), "found": found, "text": text, "events": events}
    return _answer(page, request, "admin/sync/trace.html", known)


def follow(page, request, key):
    """One event's whole way. Raises Http404 for what the reader does not see, or is forgotten."""
    _allow(page, request)
    event = event_of(page.get_queryset(request), key)
    if event is None:
        found = finding.look(request, str(key))
        known = {"title": _("Follow a message"), "found": found, "text": str(key), "events": []}
        if found.events or found.messages:
            raise Http404
        return _answer(page, request, "admin/sync/trace.html", known, status=404)
    way = Way(request, event, timezone.now())
    others, has_more = cause.siblings(
        event, page.get_queryset(request), way.rows(Delivery) if way.may(Delivery) else None
    )
    body = way.body.decode()
    known = {
        "title": _("Follow a message"),
        "way": way,
        "event": event,
        "original": event,
        "opts": page.opts,
        "all_of_subject": looking_for(event.subject),
        "all_of_request": looking_for(event.correlation_id),
        "type": TYPE(event),
        "subject": SUBJECT(event),
        "actor": cause.actor(request, event),
        "asked": cause.asked(event),
        "recorded": precise(event.time),
        "shown_at": precise(way.now),
        "siblings": [(each, TYPE(each.event), SUBJECT(each.event), page_of(each.event.pk)) for each in others],
        "has_more_siblings": has_more,
        "neighbours": {side: page_of(each.pk) for side, each in way.neighbours.items()},
        "body": masked(body),
        "is_masked": masked(body) != body,
    }
    return _answer(page, request, "admin/sync/traced.html", known)


def _allow(page, request) -> None:
    if not page.has_view_permission(request):
        raise PermissionDenied


def _answer(page, request, template: str, known: dict, status: int = 200):
    context = page.admin_site.each_context(request) | {"subtitle": None, "content_title": known["title"]} | known
    response = TemplateResponse(request, template, context, status=status)
    response["Cache-Control"] = "no-store"
    return response

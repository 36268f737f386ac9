"""Pages for people: the two channels side by side, and the texts they agree to."""

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from config.sandbox import access, policies


@require_safe
def two_channels(request: HttpRequest) -> HttpResponse:
    """The website left, the mini-program right, live."""
    if not access.is_local(request):
        raise PermissionDenied
    return render(request, "sandbox/two_channels.html")


@require_safe
def policy(request: HttpRequest, purpose: str, version: str, locale: str) -> HttpResponse:
    """One version of a policy's text in one language."""
    found = policies.find(purpose, version, locale)
    if found is None:
        raise Http404
    return render(request, "sandbox/policy.html", {"policy": found})

"""Pages for people: the two channels side by side, and the texts they agree to."""

from urllib.parse import urlsplit

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_safe

from config.sandbox import access, policies

LOOPBACK = {"127.0.0.1", "localhost", "::1"}


@require_safe
def two_channels(request: HttpRequest) -> HttpResponse:
    """The website left, the mini-program right, live."""
    if not access.is_local(request):
        raise PermissionDenied
    if _has_another_name(request):
        return redirect(f"{settings.PUBLIC_URL}{request.path}")
    return render(request, "sandbox/two_channels.html")


def _has_another_name(request: HttpRequest) -> bool:
    """Whether a browser calls this machine's hub by another name than its own, to which no socket would open."""
    here, home = urlsplit(f"//{request.get_host()}"), urlsplit(settings.PUBLIC_URL)
    return {here.hostname, home.hostname} <= LOOPBACK and here.hostname != home.hostname and here.port == home.port


@require_safe
def policy(request: HttpRequest, purpose: str, version: str, locale: str) -> HttpResponse:
    """One version of a policy's text in one language."""
    found = policies.find(purpose, version, locale)
    if found is None:
        raise Http404
    return render(request, "sandbox/policy.html", {"policy": found})

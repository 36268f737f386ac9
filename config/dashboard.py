"""/dashboard/: the managers' view of the hub, live by a socket, by asking while there is none."""

from functools import wraps

from django.conf import settings
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import JsonResponse
from django.shortcuts import render
from django.urls import path
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from config.figures import figures
from sync import quotas, tickets
from sync.api.live import live_url
from sync.http import Problem, problem_response
from sync.models import Ticket

TICKETS_PER_MINUTE = 30


def for_managers(view):
    """Staff who may see the dashboard; others go to the sign-in page, or are told that it is not for them."""

    @never_cache
    @wraps(view)
    def checked(request):
        if not (request.user.is_authenticated and request.user.is_staff):
            return redirect_to_login(request.get_full_path())
        if not request.user.has_perm(settings.DASHBOARD_PERMISSION):
            raise PermissionDenied
        return view(request)

    return checked


@require_safe
@for_managers
def page(request):
    return render(request, "dashboard/page.html", {"figures": figures(), "sandbox": settings.SANDBOX})


@require_safe
@for_managers
def current(request):
    return JsonResponse(figures())


@require_POST
@for_managers
def ticket(request):
    """Where to open the socket, once, within 30 seconds; it lives as long as the session and the permission."""
    try:
        quotas.count(f"dashboard {request.user.pk}", limit=TICKETS_PER_MINUTE, every=60)
    except Problem as problem:
        return problem_response(problem)
    subject, session = f"staff/{request.user.pk}", request.session.session_key
    clear = tickets.issue(subject=subject, session=session, channel=None, kind=Ticket.Kind.DASHBOARD)
    return JsonResponse({"url": f"{live_url(request)}/ws/v1/dashboard?ticket={clear}", "expires_in": tickets.TTL})


urlpatterns = [
    path("", page, name="dashboard"),
    path("figures", current, name="dashboard-figures"),
    path("ticket", ticket, name="dashboard-ticket"),
]

"""The admin site: relaxed content policy for unfold, nothing outside it; foreign bytes refused at the door."""

from functools import wraps

from csp.decorators import csp_update
from django.conf import settings
from django.core.exceptions import SuspiciousOperation
from django.http import Http404
from django.utils.translation import gettext_lazy as _
from unfold.sites import UnfoldAdminSite


def guarded(view):
    """The admin's content policy on the answer; a NUL in path, query or form is 400, for PostgreSQL takes none."""

    @csp_update(settings.ADMIN_CSP)
    @wraps(view)
    def checked(request, *args, **kwargs):
        given = [
            request.path,
            *(text for form in (request.GET, request.POST) for pair in form.lists() for text in pair[1]),
        ]
        if any("\0" in text for text in given):
            raise SuspiciousOperation("NUL")
        return view(request, *args, **kwargs)

    return checked


class Site(UnfoldAdminSite):
    """The hub's admin."""

    site_title = site_header = _("Member hub")
    index_title = _("Overview")
    enable_nav_sidebar = True

    def admin_view(self, view, cacheable=False):
        return guarded(super().admin_view(view, cacheable))

    def login(self, request, extra_context=None):
        return guarded(super().login)(request, extra_context)

    def index(self, request, extra_context=None):
        from config import overview  # noqa: PLC0415 - the site is made before the apps' models are

        return super().index(request, {"cards": overview.cards(request)} | (extra_context or {}))

    def search(self, request, extra_context=None):
        """Unfold's own search over everything keeps rows in a cache, whoever may see them: each list has its own."""
        raise Http404

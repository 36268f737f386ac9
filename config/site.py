"""The admin site."""

from django.utils.translation import gettext_lazy as _
from unfold.sites import UnfoldAdminSite


class Site(UnfoldAdminSite):
    """The hub's admin."""

    site_title = site_header = _("Member hub")
    index_title = _("Overview")

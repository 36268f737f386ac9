"""The stand-ins' own process: apart from the hub's, so that the hub never waits for itself."""

import logging
import os

import django
from django.core.exceptions import ImproperlyConfigured
from django.core.handlers.wsgi import WSGIHandler
from django.http import HttpResponseForbidden

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django.setup(set_prefix=False)

from django.conf import settings  # noqa: E402 - the apps must be loaded first

from config.sandbox import access  # noqa: E402

if not settings.SANDBOX:
    raise ImproperlyConfigured("The stand-ins run only with HUB_SANDBOX=1")


class StandIns(WSGIHandler):
    """Django with the stand-ins' paths instead of the hub's; for this machine only, for no page of another site."""

    def get_response(self, request):
        if not access.is_local(request) or access.is_foreign_page(request):
            return HttpResponseForbidden()
        request.urlconf = "config.sandbox.stand_in_urls"
        return super().get_response(request)


# What is refused or fails on purpose is no news; what fails without meaning to still is.
logging.getLogger("django.request").addFilter(lambda record: record.exc_info is not None)
application = StandIns()

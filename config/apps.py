from django.apps import AppConfig
from django.conf import settings
from django.contrib.admin.apps import AdminConfig
from django.db.backends.signals import connection_created
from django.utils.translation import gettext_lazy as _


class Config(AppConfig):
    name = "config"
    verbose_name = _("Hub")
    default = True

    def ready(self):
        from config import checks  # noqa: PLC0415 - checks may use models, which are loaded by now

        if settings.PRODUCTION:
            connection_created.connect(checks.FirstConnection(), weak=False, dispatch_uid="database fits mode")


class AdminSite(AdminConfig):
    default_site = "config.site.Site"

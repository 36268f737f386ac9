from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class Sync(AppConfig):
    name = "sync"
    verbose_name = _("Sync")

    def ready(self):
        from sync import checks  # noqa: F401, PLC0415 - registers the checks once the apps are loaded

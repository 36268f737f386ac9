from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class Sync(AppConfig):
    name = "sync"
    verbose_name = _("Sync")

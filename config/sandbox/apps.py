from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class Sandbox(AppConfig):
    name = "config.sandbox"
    label = "sandbox"
    verbose_name = _("Sandbox")

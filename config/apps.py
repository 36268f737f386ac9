from django.apps import AppConfig
from django.contrib.admin.apps import AdminConfig
from django.utils.translation import gettext_lazy as _


class Config(AppConfig):
    name = "config"
    verbose_name = _("Hub")
    default = True


class AdminSite(AdminConfig):
    default_site = "config.site.Site"

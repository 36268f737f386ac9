"""What the roof itself grants: there is no table, only the permission to look."""

from django.db import models
from django.utils.translation import gettext_lazy as _


class Dashboard(models.Model):
    """Carries `config.view_dashboard`."""

    class Meta:
        managed = False
        default_permissions = ("view",)
        verbose_name = verbose_name_plural = _("dashboard")

    def __str__(self):
        return "dashboard"

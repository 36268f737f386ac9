"""Which processes live: each says so every few seconds, in the one store that is the truth."""

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _


class Heartbeat(models.Model):
    """The last sign of life of a kind of process: relay, courier, worker."""

    name = models.CharField(_("process"), max_length=40, primary_key=True)
    at = models.DateTimeField(_("last seen"), db_default=Now())
    data = models.JSONField(_("what it said"), default=dict)

    class Meta:
        verbose_name, verbose_name_plural = _("heartbeat"), _("heartbeats")

    def __str__(self):
        return self.name

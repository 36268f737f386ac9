"""What waits: points above a channel's limits for a person's word, others for their end."""

import pgtrigger
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from loyalty.models.ledger import Account, Lot


class Waiting(models.Manager):
    """Only lots that wait for a person."""

    def get_queryset(self):
        return super().get_queryset().filter(is_pending=True, available_at=None, remaining__gt=0)


class WaitingLot(Lot):
    """Points above a channel's limits: pending until staff lets them through or turns them down."""

    objects = Waiting()

    class Meta:
        proxy = True
        verbose_name, verbose_name_plural = _("points to let through"), _("points to let through")
        permissions = [("release_lot", "Can let points above a channel's limits through, or turn them down")]


class ExpiryNotice(models.Model):
    """That a member was told of points that expire on a day. Never changed."""

    id = models.BigAutoField(primary_key=True)
    account = models.ForeignKey(Account, models.PROTECT, related_name="notices", verbose_name=_("account"))
    expires_on = models.DateField(_("expire on"))
    points = models.BigIntegerField(_("points"))
    at = models.DateTimeField(_("told at"), db_default=Now())

    class Meta:
        verbose_name, verbose_name_plural = _("expiry notice"), _("expiry notices")
        constraints = [
            models.UniqueConstraint(fields=["account", "expires_on"], name="expiry_notice_once"),
            models.CheckConstraint(condition=models.Q(points__gt=0), name="expiry_notice_of_something"),
        ]
        triggers = [pgtrigger.Protect(name="never_changed", operation=pgtrigger.Update)]

    def __str__(self):
        return f"{self.points} {self.expires_on}"

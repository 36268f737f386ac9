"""发货信息: what WeChat has to be told of shipping before it lets go of the money."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from sync.ids import uuid7
from sync.secret import EncryptedField


class ShippingUpload(models.Model):
    """One payment's shipping as WeChat is told it: once, parcel by parcel, and at most one correction, on purpose.

    `body` is JSON: what WeChat holds (`told`) and what was sent last (`asked`); `sent_digest` is of what it held when
    told last. `unclear` is a call whose answer was lost: WeChat is asked before anything is sent again. `next_at` is
    when somebody looks at it next; without it there is nothing to do. While a call is under way it is its lease.
    """

    class State(models.TextChoices):
        WAITING = "waiting", _("Waiting")
        SENDING = "sending", _("Being sent")
        UNCLEAR = "unclear", _("Unclear")
        SENT = "sent", pgettext_lazy("upload", "Sent")
        FAILED = "failed", pgettext_lazy("upload", "Refused")

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    payment = models.OneToOneField(
        "orders.Payment", models.PROTECT, related_name="shipping_upload", verbose_name=_("payment")
    )
    state = models.CharField(_("state"), max_length=10, choices=State, default=State.WAITING)
    is_complete = models.BooleanField(_("all parcels told"), default=False, db_default=False)
    is_corrected = models.BooleanField(_("correction used"), default=False)
    wants_correction = models.BooleanField(_("correction wanted"), default=False)
    body = EncryptedField(null=True, editable=False)
    sent_digest = models.BinaryField(null=True, editable=False)
    attempts = models.PositiveSmallIntegerField(_("attempts"), default=0)
    problem = models.CharField(_("what is wrong"), max_length=200, blank=True)
    next_at = models.DateTimeField(_("next try"), null=True, db_default=Now())
    created_at = models.DateTimeField(_("wanted since"), db_default=Now())
    wanted_at = models.DateTimeField(_("something to tell since"), db_default=Now())
    sent_at = models.DateTimeField(_("sent"), null=True, blank=True)
    settled_at = models.DateTimeField(_("money released"), null=True, blank=True)

    class Meta:
        verbose_name, verbose_name_plural = _("shipping told to WeChat"), _("shipping told to WeChat")
        constraints = [
            models.CheckConstraint(
                condition=~Q(state="sent") | Q(sent_at__isnull=False), name="upload_sent_at_follows_state"
            ),
            models.CheckConstraint(
                condition=~Q(state__in=["sending", "unclear"]) | Q(next_at__isnull=False),
                name="upload_under_way_has_an_end",
            ),
        ]
        indexes = [models.Index(fields=["next_at"], condition=Q(next_at__isnull=False), name="upload_due")]

    def __str__(self):
        return str(self.payment_id)

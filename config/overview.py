"""The first page of the admin: what is new today and what waits for somebody, within the reader's channels."""

from dataclasses import dataclass

from django.contrib import admin
from django.db import models
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from loyalty.models import Adjustment, AdjustmentFile, WaitingLot
from members.models import LinkCase, Member, PrivacyRequest
from orders.models import Order, PaymentCase, Refund, ShippingUpload
from sync.models import Alert, Delivery, Discrepancy, Endpoint, InboxMessage

CAP = 10_000


@dataclass(frozen=True)
class Card:
    """A bounded count that leads to its list; `is_trouble` when anything but none is."""

    title: object
    model: type[models.Model]
    rows: dict
    query: str = ""
    since: str = ""  # the field that must lie within today
    is_trouble: bool = False


CARDS = [
    Card(_("New members today"), Member, {}, since="created_at"),
    Card(_("Orders today"), Order, {}, since="placed_at"),
    Card(_("Waiting to be delivered"), Delivery, {"state": "waiting"}, "?state__exact=waiting"),
    Card(_("Waiting in the inbox"), InboxMessage, {"state": "waiting"}, "?state__exact=waiting"),
    Card(_("Failing endpoints"), Endpoint, {"failing_since__isnull": False}, is_trouble=True),
    Card(_("Open alerts"), Alert, {"resolved_at": None}, "?is=open", is_trouble=True),
    Card(_("Open discrepancies"), Discrepancy, {"resolved_at": None}, "?is=open", is_trouble=True),
    Card(_("Open payment cases"), PaymentCase, {"resolved_at": None}, "?is=open", is_trouble=True),
    Card(_("Refunds to decide"), Refund, {"state": "requested"}, "?queue=requested"),
    Card(_("Shipping WeChat refused"), ShippingUpload, {"state": "failed"}, "?queue=refused", is_trouble=True),
    Card(_("Open link cases"), LinkCase, {"state": "open"}, "?state__exact=open"),
    Card(_("Open privacy requests"), PrivacyRequest, {"state__in": ["open", "running"]}, "?queue=open"),
    Card(_("Adjustments to approve"), Adjustment, {"state": "asked"}, "?state__exact=asked"),
    Card(_("Adjustment files to approve"), AdjustmentFile, {"state": "asked"}, "?state__exact=asked"),
    Card(_("Points to let through"), WaitingLot, {}),
]


def cards(request) -> list[dict]:
    """The cards this reader may see."""
    midnight = timezone.localtime().replace(hour=0, minute=0, second=0, microsecond=0)
    seen = [card for card in CARDS if admin.site._registry[card.model].has_view_permission(request)]
    return [_filled(request, card, midnight) for card in seen]


def _filled(request, card: Card, midnight) -> dict:
    rows = admin.site._registry[card.model].get_queryset(request).filter(**card.rows)
    if card.since:
        rows = rows.filter(**{f"{card.since}__gte": midnight})
    count = rows.order_by()[: CAP + 1].count()
    meta = card.model._meta
    return {
        "title": card.title,
        "count": f"{CAP:,}+" if count > CAP else f"{count:,}",
        "is_bad": card.is_trouble and count > 0,
        "url": reverse(f"admin:{meta.app_label}_{meta.model_name}_changelist") + card.query,
    }

"""One thing that happened, and the story it is part of."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property

from django.contrib import admin
from django.db.models import QuerySet
from django.urls import NoReverseMatch, reverse
from django.utils import timezone

from orders.models import Order, Payment, Refund, Shipment

MOST = 300  # of each source


@dataclass
class Entry:
    """A line of the timeline: when, of which kind, in what words, by whom (an actor), where to read more.

    `rank` orders what happened at the same moment: a cause below what it caused.
    """

    at: datetime
    group: str
    words: object
    by: str = ""
    tone: str = "quiet"
    more: list = field(default_factory=list)
    url: str = ""
    rank: int = 0
    who: str = ""
    ways: list = field(default_factory=list)
    run: object = None  # of many alike in a row only the newest are open: what makes them alike
    folded: list = field(default_factory=list)

    @property
    def day_and_time(self) -> str:
        return timezone.localtime(self.at).strftime("%m-%d %H:%M")

    @property
    def time(self) -> str:
        return timezone.localtime(self.at).strftime("%H:%M:%S")


class Story:
    """An order and its reader: what several sources ask for is asked once."""

    def __init__(self, request, order: Order):
        self.request, self.order, self.is_cut = request, order, False

    def may(self, permission: str) -> bool:
        """Whether the reader may look at such rows."""
        return self.request.user.has_perm(permission)

    def newest(self, rows: QuerySet, *order: str) -> list:
        """The newest rows of a source, and a note when there are more."""
        found = list(rows.order_by(*(order or ("-pk",)))[: MOST + 1])
        self.is_cut |= len(found) > MOST
        return found[:MOST]

    @cached_property
    def payments(self) -> list[Payment]:
        return self.newest(self.order.payments.select_related("channel"))

    @cached_property
    def refunds(self) -> list[Refund]:
        return self.newest(self.order.refunds.prefetch_related("lines__line"))

    @cached_property
    def shipments(self) -> list[Shipment]:
        return self.newest(self.order.shipments.select_related("carried_by").prefetch_related("lines__line"))


def page_of(row) -> str:
    """The address of a row's page; nothing where it has none."""
    if type(row) not in admin.site._registry:
        return ""
    try:
        return reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=[row.pk])
    except NoReverseMatch:
        return ""


def joined(parts: Iterable) -> str:
    """What there is of several texts, with dots between."""
    return " · ".join(str(each) for each in parts if each)

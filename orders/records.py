"""What orders hold of a member (`members/records.py`)."""

from collections.abc import Iterable
from datetime import datetime
from typing import ClassVar
from uuid import UUID

from django.db.models import Count, F, Max, QuerySet, Sum
from django.utils.timezone import localtime
from django.utils.translation import gettext as _

from members.figures import Figure
from members.records import StillOpen
from orders import leaving, queries
from orders.labels import LABELS
from orders.models import Order
from orders.services import claiming
from sync import events
from sync.act import SYSTEM, Actor
from sync.clock import Clock
from sync.forgetting import Words

BATCH = 500


class Orders:
    """The orders themselves; lines, payments and recipients hang on them."""

    models: ClassVar = [Order]
    labels: ClassVar = LABELS

    def lock(self, member_ids: list[UUID]) -> None:
        """The orders of these members, ascending."""
        found = Order.objects.select_for_update(no_key=True, of=["self"]).filter(member__in=member_ids)
        list(found.order_by("id").values_list("id", flat=True))

    def holds_value(self, member_id: UUID) -> bool:
        """Any order counts, whatever became of it."""
        return Order.objects.filter(member=member_id).exists()

    def seen_at(self, member_id: UUID) -> datetime | None:
        """When they last bought, as far as more than the phone tells that it was them."""
        return Order.objects.filter(member=member_id, is_by_phone=False).aggregate(at=Max("placed_at"))["at"]

    def knows(self, member_id: UUID, fact: dict) -> bool:
        """Number and total of an order of theirs."""
        if fact["kind"] != "order":
            return False
        told = {"number": fact["number"], "total_fen": fact["total_fen"]}
        told |= {"is_by_phone": False} if fact.get("but_by_phone") else {}
        return Order.objects.filter(member=member_id, **told).exists()

    def claim(self, member_id: UUID, phone: str, by: Actor) -> None:
        """Guests' orders with that phone."""
        claiming.claim(member=member_id, phone=phone, by=by)

    def introduce(self, member_id: UUID, groups: list[int], by: Actor) -> None:
        """Their orders on channels of these groups, oldest first."""
        _tell(Order.objects.filter(member=member_id, channel__group__in=groups), member_id, by)

    def figures(self, member_id: UUID) -> Iterable[Figure]:
        """How many orders, what was paid for them and what went back."""
        sums = {"paid": Sum("paid_fen", default=0), "refunded": Sum("refunded_fen", default=0)}
        found = Order.objects.filter(member=member_id).aggregate(count=Count("pk"), last=Max("placed_at"), **sums)
        yield _("Orders"), str(found["count"])
        yield _("Paid for orders"), f"¥{found['paid'] / 100:,.2f}"
        yield _("Refunded"), f"¥{found['refunded'] / 100:,.2f}"
        yield _("Last order"), f"{localtime(found['last']):%Y-%m-%d}" if found["last"] else ""

    def move(self, source: UUID, target: UUID) -> dict:
        """The source's orders become the target's: another owner, so another version and news. Returns their ids."""
        return {"orders": _handed(Order.objects.filter(member=source), target)}

    def restore(self, source: UUID, target: UUID, journal: dict) -> None:
        """The orders that came with the merge go back; those placed since stay, and let no channel see the member."""
        _handed(Order.objects.filter(pk__in=journal["orders"], member=target), source)

    def export(self, member_id: UUID) -> dict:
        """Their orders, each with its lines, its recipient and its payments."""
        return {"orders": leaving.copies(member_id)}

    def blocks(self, member_id: UUID) -> list[str]:
        """Orders that are not over, money that is unclear."""
        return leaving.blocks(member_id)

    def known_as(self, member_id: UUID) -> Words:
        """Their orders' and payments' numbers."""
        return leaving.words_of(member_id)

    def erase(self, member_id: UUID) -> dict:
        """Orders stay with their amounts and lines; recipients, contacts, notes and payers go. Raises StillOpen."""
        if reasons := leaving.blocks(member_id):
            raise StillOpen(reasons)
        return leaving.forget(member_id)


def _handed(rows: QuerySet[Order], member: UUID) -> list[str]:
    """Give orders to another member and tell each on that member's stream; returns their ids."""
    ids = list(rows.order_by("id").values_list("id", flat=True))
    moved = Order.objects.filter(pk__in=ids)
    moved.update(member_id=member, version=F("version") + 1, updated_at=Clock())
    _tell(moved, member, SYSTEM)
    return [str(each) for each in ids]


def _tell(rows: QuerySet[Order], member: UUID, by: Actor) -> None:
    """Tell each of these orders on a member's stream, as it is."""
    found = queries.whole().filter(pk__in=rows.values("pk")).order_by("id").iterator(BATCH)
    events.record_many("order.updated", ((events.of_member(member), queries.told(each)) for each in found), by=by)

"""One story of one order, told in any order, in part and more than once; and what is left of it in the end.

What the channel tells goes through the inbox; a carrier tells again until somebody knows its parcel; the clock closes
what nobody paid.
"""

import itertools
import json
from collections.abc import Iterable
from datetime import timedelta
from uuid import UUID

from django.db.models.functions import Now

from loyalty.queries import as_points
from orders import queries, reading, services
from orders.models import Order, Shipment
from orders.payments import closing
from sync import events, inbox
from sync.http import instant
from sync.models import Event, InboxMessage
from tests import make
from tests.orders import make_facts as f
from tests.orders import make_orders as o

ADDRESS = {"receiver": "张三", "phone": "13800138000", "city": "杭州市", "street": "龙井路 1 号"}
MOVED = ADDRESS | {"street": "虎跑路 2 号"}
DEAL = [{"kind": "coupon", "code": "C1", "name": "优惠券", "amount_fen": 1_000}]
ITEMS = [
    o.item(10_000, 2, external_line_id="L1"),
    o.item(2_900, 1, external_line_id="L2", sku="CUP-1", name="盖碗"),
]
TOTAL_FEN = 22_900 + 500 - 1_000  # once both edits are known
TRACKING = [
    {"at": "2026-01-03T00:00:00.000Z", "text": "已签收", "state": "delivered", "place": "杭州"},
    {"at": "2026-01-02T00:00:00.000Z", "text": "派送中", "state": "out_for_delivery", "place": "杭州"},
    {"at": "2026-01-01T00:00:00.000Z", "text": "已揽收", "state": "collected", "place": "上海"},
]
_stories = itertools.count(1)


def parcel(number: str, line: str, quantity: int) -> dict:
    items = [{"external_line_id": line, "quantity": quantity}]
    return {"carrier": "shunfeng", "tracking_number": number, "items": items}


def back(number: str, line: str, quantity: int, fen: int) -> dict:
    executed = {"provider": "offline", "transaction_id": number, "refunded_at": instant(make.NOON)}
    items = [{"external_line_id": line, "quantity": quantity, "amount_fen": fen}]
    return {"items": items, "shipping_fen": 0, "reason": "", "executed": executed, "refund_external_id": number}


# In the order in which it happened: the name, the type of the fact, what it says.
FACTS = {
    "placed": ("order.placed", {"items": ITEMS, "shipping_fen": 0, "discounts": [], "address": ADDRESS}),
    "edited": ("order.updated", {"shipping_fen": 300, "buyer_note": "请放门口", "address": MOVED}),
    "edited again": ("order.updated", {"shipping_fen": 500, "discounts": DEAL, "buyer_note": "放前台"}),
    "cancelled": ("order.cancelled", {}),
    "paid": ("order.paid", f.money(TOTAL_FEN)),
    "shipped": ("order.shipped", parcel("SF1", "L1", 2)),
    "shipped the rest": ("order.shipped", parcel("SF2", "L2", 1)),
    "delivered": ("order.delivered", {}),
    "completed": ("order.completed", {}),
    "refunded": ("order.refunded", back("R1", "L2", 1, 2_000)),
    "refunded more": ("order.refunded", back("R2", "L1", 1, 5_000)),
}
TRACKED = {f"tracked {n}": (number, n) for number in ("SF1",) for n in (1, 2, 3)}
CLOSED = "closed by the clock"
STEPS = [*FACTS, *TRACKED, CLOSED]


class Story:
    """One order of one member while what happened to it is being told."""

    def __init__(self):
        make.channel("website", refund_window_days=0)
        self.member, self.name = make.member(), f"S-{next(_stories)}"
        self.later: list[str] = []

    def tell(self, step: str) -> None:
        """Something is told, or told again."""
        if step in FACTS:
            self._push(step)
        elif step == CLOSED:
            Order.objects.filter(external_id=self.name, closes_at__isnull=False).update(closes_at=Now())
            closing.close_due()
        elif not self._track(*TRACKED[step]):
            self.later.append(step)

    def finish(self) -> None:
        """What could not be heard is told once more; nothing is left waiting."""
        for step in self.later:
            self._track(*TRACKED[step])
        inbox.apply_due()
        assert not InboxMessage.objects.filter(state=InboxMessage.State.WAITING).exists()
        assert not InboxMessage.objects.filter(state=InboxMessage.State.QUARANTINED).exists()

    def state(self) -> dict:
        """What is left in the end, without ids, versions and times of change."""
        order = queries.whole().get(external_id=self.name)
        last = Event.objects.filter(subject=events.of_member(self.member.pk), type__startswith="order.").last()
        assert last.data == reading.as_event(order)  # whoever heard the last event knows it all
        payments = order.payments.values_list("state", "provider", "transaction_id", "amount_fen")
        refunds = order.refunds.values_list("state", "external_id", "amount_fen", "points_reversed")
        return shown(order) | {
            "recipient": queries.as_recipient(order),
            "points": balance(self.member.pk),
            "payments": sorted(payments),
            "refunds": sorted(refund[:3] for refund in refunds),
            "reversed": sum(refund[3] for refund in refunds),
            "waiting": sorted(set(InboxMessage.objects.filter(state="parked").values_list("type", flat=True))),
        }

    def _push(self, step: str) -> None:
        type, said = FACTS[step]
        happened = make.NOON + timedelta(minutes=list(FACTS).index(step))
        own = {"external_id": self.name}
        if step == "placed":
            own |= {"member_id": str(self.member.pk), "points_to_redeem": 0}
        told = json.loads(json.dumps(said | own).replace('"T1"', f'"T-{self.name}"'))
        for number in ("R1", "R2"):
            told = json.loads(json.dumps(told).replace(f'"{number}"', f'"{number}-{self.name}"'))
        f.tell(type, told, at=happened)

    def _track(self, number: str, steps: int) -> bool:
        """The carrier tells its list as it was after so many steps; False while nobody knows the parcel."""
        found = Shipment.objects.filter(order__external_id=self.name, tracking_number=number).first()
        if found:
            told = TRACKING[-steps:]
            services.track(shipment=found.pk, told=told, state=told[0]["state"], by=make.STAFF)
        return found is not None


def told(steps: Iterable[str]) -> dict:
    """What is left of a story told in these steps."""
    InboxMessage.objects.all().delete()
    story = Story()
    for step in steps:
        story.tell(step)
    story.finish()
    return story_free(story.state(), story.name)


def story_free(state: dict, name: str) -> dict:
    """Without the name that tells one story from another."""
    return json.loads(json.dumps(state, default=str).replace(f"-{name}", ""))


def shown(order: Order) -> dict:
    """The Order of the contract without ids, versions and times of change; parcels by their waybills."""
    found = without(
        queries.as_order(order), "number", "external_id", "member_id", "updated_at", "version", "lines", "shipments"
    )
    names = {str(line.pk): line.external_line_id for line in order.lines.all()}
    shipments = []
    for each in queries.as_order(order)["shipments"]:
        lines = sorted((names[line["line_id"]], line["quantity"]) for line in each["lines"])
        shipments.append(without(each, "id") | {"lines": lines})
    lines = [without(line, "id") for line in queries.as_order(order)["lines"]]
    return found | {"lines": lines, "shipments": sorted(shipments, key=lambda each: each["tracking_number"])}


def balance(member: UUID) -> dict:
    """A member's points and tier, without times and versions."""
    points = as_points(member)
    tier = {name: points["tier"][name] for name in ("code", "qualifying")}
    return {name: points[name] for name in ("available", "pending", "held", "debt")} | tier


def without(found: dict, *names: str) -> dict:
    return {name: value for name, value in found.items() if name not in names}


ACTS = ["paid", "shipped", "shipped the rest", "delivered", "completed", "refunded", "refunded more", "cancelled"]


def done(steps: Iterable[str]) -> dict:
    """What is left of a story done by the acts of the contract: what is refused is asked for again, while that helps.

    Refunds leave the goods with their buyer: what was paid back need not be shipped any more.
    """
    story = Story()
    story.tell("placed")
    order, waiting = Order.objects.get(external_id=story.name), list(steps)
    tried = None
    while tried != waiting:
        tried, waiting = waiting, [step for step in waiting if not _is_done(order, step)]
    return story_free(story.state(), story.name)


def _is_done(order: Order, step: str) -> bool:
    try:
        _do(order, step)
    except (services.WrongState, services.OverRefunded):
        return False
    return True


def _do(order: Order, step: str) -> None:
    _type, said = FACTS[step]
    at, known = make.NOON + timedelta(minutes=list(FACTS).index(step)), {"order": order.pk, "by": make.BACKEND}
    if step == "paid":
        money = said | {"amount_fen": 22_900, "paid_at": make.NOON, "transaction_id": f"T-{order.external_id}"}
        services.take_payment(number=order.number, channel=order.channel, by=make.BACKEND, **money)
    elif step == "cancelled":
        closing.cancel(**known)
    elif step in {"delivered", "completed"}:
        {"delivered": services.deliver, "completed": services.complete}[step](**known, at=at)
    elif "shipped" in step:
        services.ship(**known, shipped_at=at, **said)
    else:
        name = f"{said['refund_external_id']}-{order.external_id}"
        executed = said["executed"] | {"transaction_id": name, "refunded_at": at}
        items = [item | {"quantity": 0} for item in said["items"]]
        services.refund(**known, channel=order.channel, external_id=name, items=items, executed=executed)

"""Parcels for tests."""

from orders import services
from orders.models import Carrier, Order, Shipment
from orders.shipping import known
from sync.act import Actor
from tests import make
from tests.orders import make_orders

PROVIDER = Actor("provider", "kuaidi100/test")


def carriers() -> None:
    """The carriers of a new hub; a test that commits may have emptied their table."""
    Carrier.objects.bulk_create([Carrier(**row) for row in known.rows()], ignore_conflicts=True)


def by(channel="website") -> Actor:
    """A channel's backend."""
    return Actor("channel", channel, channel)


def paid(**fields) -> Order:
    """An order paid by the channel itself."""
    placed = make_orders.order(**fields)
    money = {"provider": "offline", "transaction_id": placed.number, "paid_at": make.NOON}
    services.take_payment(
        number=placed.number, channel=placed.channel, amount_fen=placed.total_fen, by=by(placed.channel.code), **money
    )
    placed.refresh_from_db()
    return placed


def items(order: Order, *quantities: int) -> list[dict]:
    """So much of each line, in their order; 0 leaves a line out."""
    lines = order.lines.order_by("position")
    return [{"line_id": line.pk, "quantity": n} for line, n in zip(lines, quantities, strict=False) if n]


def ship(order: Order, *quantities: int, carrier="shunfeng", number="SF1000000001", **fields) -> Shipment:
    """A parcel with so much of each line; with all that is left when none is named."""
    known = {"items": items(order, *quantities) or None, "by": by(order.channel.code)}
    parcel, _is_new = services.ship(order=order.pk, carrier=carrier, tracking_number=number, **known | fields)
    return parcel


def told(*entries: tuple[str, str]) -> list[dict]:
    """What a carrier told, newest first: times of a day in UTC and states."""
    return [
        {"at": f"2026-11-21T{time}:00.000Z", "text": f"快件{state}", "state": state, "place": "杭州市"}
        for time, state in entries
    ]


def track(parcel: Shipment, *entries: tuple[str, str], state: str | None = None) -> bool:
    """The carrier tells these, newest first, and that the parcel is in the newest one's state."""
    return services.track(
        shipment=parcel.pk, told=told(*entries), state=state or (entries and entries[0][1]) or "shipped", by=PROVIDER
    )

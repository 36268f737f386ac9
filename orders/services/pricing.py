"""What an order costs: at first, and again when what it is made of changes."""

from loyalty.models import Hold, Programme
from orders import rules
from orders.models import Order
from orders.services.redeeming import NoMember, TooManyPoints, most_points, require_possible

AMOUNTS = ("items_fen", "shipping_fen", "discount_fen", "points_discount_fen", "total_fen")
REFUSALS = (rules.AmountMismatch, NoMember, TooManyPoints)


def first(
    order: Order,
    items: list[dict],
    shipping_fen: int,
    discounts: list[dict],
    points: int,
    *,
    claimed_fen: int | None = None,
) -> None:
    """Set the amounts of an order to be placed. Raises AmountMismatch, NoMember, TooManyPoints."""
    worth = 1
    if points:
        if order.member_id is None:
            raise NoMember
        programme = Programme.current()
        worth = programme.fen_per_point
        require_possible(points, rules.sums(items, shipping_fen, discounts).owed_fen, programme)
    for name, value in _amounts(items, shipping_fen, discounts, points, worth, claimed_fen).items():
        setattr(order, name, value)


def again(order: Order, items: list[dict], shipping_fen: int, discounts: list[dict], claimed_fen: int | None) -> dict:
    """The amounts of an order made of this. Points are those set aside, as many as may pay now, worth what they were.

    Raises AmountMismatch.
    """
    points, worth = 0, 1
    if order.hold_id:
        programme = Programme.current()
        worth = order.points_discount_fen // order.points_redeemed if order.points_redeemed else None
        worth = worth or programme.fen_per_point
        owed_fen = rules.sums(items, shipping_fen, discounts).owed_fen
        points = min(Hold.objects.get(pk=order.hold_id).points, most_points(owed_fen, programme, worth))
    return _amounts(items, shipping_fen, discounts, points, worth, claimed_fen)


def _amounts(
    items: list[dict], shipping_fen: int, discounts: list[dict], points: int, worth: int, claimed_fen: int | None
) -> dict:
    found = rules.sums(items, shipping_fen, discounts, points=points, fen_per_point=worth, claimed_fen=claimed_fen)
    amounts = {name: getattr(found, name) for name in AMOUNTS}
    return amounts | {"discounts": list(discounts), "points_redeemed": points}

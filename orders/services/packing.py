"""Which goods a parcel holds: what was asked for, and what is left to be sent."""

from collections import Counter
from uuid import UUID

from django.utils.translation import gettext_lazy as _

from orders.models import Line, Shipment, ShipmentLine
from orders.services.opening import WrongState
from sync.http import Problem

Goods = dict[UUID, int]  # quantities by line


def goods_of(lines: list[Line], items: list[dict]) -> Goods:
    """Quantities by line of items that name lines by `line_id` or by the channel's `external_line_id`.

    Raises Problem `invalid` for a line that is not this order's, or a name that several lines share.
    """
    found = Counter()
    for item in items:
        named = item.get("line_id"), item.get("external_line_id")
        matching = [line for line in lines if named[0] == line.pk or (named[1] and named[1] == line.external_line_id)]
        if len(matching) != 1:
            raise Problem.field("items", _("This is not a line of the order"))
        found[matching[0].pk] += item["quantity"]
    return dict(found)


def rest_of(lines: list[Line], *, but_refunded: bool) -> Goods:
    """All that is left to be sent; without what was paid back where that is asked for. Raises WrongState for nothing.

    Facts leave refunds aside: they may come in any order.
    """
    left = {line.pk: line.quantity - line.shipped_quantity for line in lines}
    if but_refunded:
        left = {line.pk: left[line.pk] - line.refunded_quantity for line in lines}
    goods = {pk: quantity for pk, quantity in left.items() if quantity > 0}
    if not goods:
        raise WrongState(_("Everything of this order has been shipped"))
    return goods


def refuse_excess(lines: list[Line], goods: Goods, *, beside: Goods) -> None:
    """Raises WrongState when a parcel would hold more than a line has left; `beside`: what it holds already."""
    for line in lines:
        taken = line.shipped_quantity - beside.get(line.pk, 0)
        if goods.get(line.pk, 0) > line.quantity - taken:
            raise WrongState(_("There is not so much left of a line"))


def pack(shipment: Shipment, goods: Goods) -> None:
    """Put goods into a parcel in place of what it held."""
    shipment.lines.all().delete()
    ShipmentLine.objects.bulk_create(
        ShipmentLine(shipment=shipment, line_id=line, quantity=quantity) for line, quantity in sorted(goods.items())
    )


def contents(shipment: Shipment) -> Goods:
    """What a parcel holds."""
    return dict(shipment.lines.values_list("line_id", "quantity"))

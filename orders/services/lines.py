"""The articles of an order that is not paid yet, written anew or in part."""

from uuid import UUID

from django.db.models import F
from django.utils.translation import gettext_lazy as _

from orders.models import Line, Order

WHAT = ("external_line_id", "sku", "name", "quantity", "unit_price_fen", "image_url")
NEEDED = ("sku", "name", "quantity", "unit_price_fen")
ASIDE = 1_000  # more than any order has lines


class NoSuchLine(Exception):
    """What is to be changed names no line of the order, or several."""

    def __init__(self):
        super().__init__(_("This is not a line of the order"))


def of(order: Order) -> list[dict]:
    """The lines as they were asked for."""
    return [_as_item(line) for line in order.lines.all()]


def after(order: Order, items: list[dict]) -> list[dict]:
    """The lines as they would be: `items` in their stead when each is complete, else each changes the line it names.

    Raises NoSuchLine.
    """
    return [_merged(line, item) for line, item in _paired(list(order.lines.all()), items)]


def moves_goods(order: Order, items: list[dict]) -> bool:
    """Whether goods would be others or fewer, not only cost something else, after some were sent. Raises NoSuchLine."""
    before = list(order.lines.all())
    if not any(line.shipped_quantity for line in before):
        return False
    goods = [(line, _merged(line, item)["quantity"]) for line, item in _paired(before, items)]
    return goods != [(line, line.quantity) for line in before]


def rewrite(order: Order, items: list[dict]) -> bool:
    """Make the lines so; False when they were. Lines that stay keep their ids."""
    before = list(order.lines.all())
    pairs = _paired(before, items)
    wanted = [_merged(line, item) for line, item in pairs]
    kept = {line.pk for line, _item in pairs if line}
    if [line for line, _item in pairs] == before and wanted == [_as_item(line) for line in before]:
        return False
    Line.objects.filter(order=order).exclude(pk__in=kept).delete()
    Line.objects.filter(order=order).update(position=F("position") + ASIDE)
    rows = [_row(order, line, what, n) for n, ((line, _i), what) in enumerate(zip(pairs, wanted, strict=True), start=1)]
    Line.objects.bulk_update([row for row in rows if row.pk in kept], [*WHAT, "position"])
    Line.objects.bulk_create([row for row in rows if row.pk not in kept])
    order._prefetched_objects_cache = {}
    return True


def _row(order: Order, line: Line | None, what: dict, position: int) -> Line:
    row = line or Line(order=order)
    for name, value in what.items():
        setattr(row, name, value)
    row.position = position
    return row


def _as_item(line: Line) -> dict:
    return {name: getattr(line, name) for name in WHAT}


def _merged(line: Line | None, item: dict) -> dict:
    """A line as it would be with what is said of it."""
    return (_as_item(line) if line else {}) | {name: item[name] for name in WHAT if name in item}


def _paired(lines: list[Line], items: list[dict]) -> list[tuple[Line | None, dict]]:
    """Each line that is to be with what is said of it. Raises NoSuchLine."""
    if all(name in item for item in items for name in NEEDED):
        left = list(lines)
        return [(_taken(left, item, n), item) for n, item in enumerate(items, start=1)]
    named = {_named(lines, item): item for item in items}
    if len(named) < len(items):
        raise NoSuchLine
    return [(line, named.get(line.pk, {})) for line in lines]


def _taken(left: list[Line], item: dict, position: int) -> Line | None:
    """The line that an item of a whole list stands for, if it is there: by its id, the channel's, or its place."""
    found = None
    if item.get("line_id"):
        found = next((line for line in left if line.pk == item["line_id"]), None)
        if found is None:
            raise NoSuchLine
    elif item.get("external_line_id"):
        found = next((line for line in left if line.external_line_id == item["external_line_id"]), None)
    else:
        found = next((line for line in left if (line.position, line.sku) == (position, item["sku"])), None)
    if found:
        left.remove(found)
    return found


def _named(lines: list[Line], item: dict) -> UUID:
    by_id, theirs = item.get("line_id"), item.get("external_line_id")
    found = [line.pk for line in lines if (line.pk == by_id if by_id else theirs and line.external_line_id == theirs)]
    if len(found) != 1:
        raise NoSuchLine
    return found[0]

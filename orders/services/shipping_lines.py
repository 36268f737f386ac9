"""The lines of a shipping file: read, matched with orders, and judged in words, before anything is shipped."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice

from django.db.models import Prefetch, Q, QuerySet
from django.utils.translation import gettext_lazy as _

from orders.models import Carrier, Line, Order, Shipment, ShippingFile, ShippingRow
from orders.shipping import carriers
from sync import spreadsheets
from sync.http import Problem
from sync.spreadsheets import BadFile

MOST_LINES, BATCH, MOST_ITEMS = 5_000, 1_000, 200
COLUMNS = {  # as headers name them
    "order": {"order", "order number", "number", "订单", "订单号", "订单编号", "渠道单号"},
    "carrier": {"carrier", "courier", "快递", "快递公司", "物流公司", "承运商"},
    "waybill": {"waybill", "tracking number", "tracking_number", "运单号", "快递单号", "物流单号", "单号"},
    "items": {"items", "articles", "商品", "商品明细", "发货商品"},
}
ITEM = re.compile(r"(?P<name>.+?)\s*[×xX*＊:：]\s*(?P<quantity>[0-9０-９]{1,7})")
PROBLEMS = {
    "unnamed": _("Write the order's number"),
    "unknown": _("No such order among those you see"),
    "ambiguous": _("Several channels know this number: write the order's own (D…)"),
    "unpaid": _("This order is not paid yet"),
    "closed": _("This order is closed"),
    "refunded": _("The money of this order went back"),
    "arrived": _("This order has arrived already"),
    "shipped": _("Everything of this order has been shipped"),
    "carrier": _("Say who carries it"),
    "waybill": _("Not a waybill's number: letters, digits and dashes"),
    "rounded": _("The spreadsheet has rounded this number: make the column text and type it again"),
    "missing": _("A parcel of this carrier has a waybill"),
    "items": _("Not articles of this order: write SKU × quantity, several with ;"),
    "excess": _("More than is left to be shipped"),
    "repeated": _("This line is in the file already"),
}
State = ShippingRow.State


@dataclass(frozen=True)
class Written:
    """One line as it was written."""

    number: int
    order: str
    carrier: str
    waybill: str
    items: str


def read(content: bytes) -> list[Written]:
    """The lines of a CSV file in UTF-8 or GBK, or of an .xlsx. Raises BadFile."""
    table = list(islice(spreadsheets.rows(content), MOST_LINES + 2))  # a header, and one too many
    if not table:
        raise BadFile(_("There is nothing in this file"))
    places, rows = _places(table[0][1]), table[1:]
    if places is None:
        places, rows = dict(zip(COLUMNS, range(4), strict=True)), table
    if not 1 <= len(rows) <= MOST_LINES:
        raise BadFile(_("A file has 1 to %(most)s lines") % {"most": f"{MOST_LINES:,}"})
    return [_line(number, cells, places) for number, cells in rows]


def judged(file: ShippingFile, lines: list[Written], among: QuerySet[Order]) -> list[ShippingRow]:
    """Rows for these lines, not saved: each in order, or wrong and why. `among`: the orders that may be meant."""
    orders, known = _orders(lines, among), {}
    left: dict = {}
    seen: set[tuple] = set()
    rows = []
    for line in lines:
        row = ShippingRow(file=file, line=line.number, known_as=line.order[:64], carrier=line.carrier[:40])
        row.tracking_number, row.problem = line.waybill[:64], ""
        row.order, row.problem = _order_of(line, orders)
        told = (row.order_id, *(carriers.folded(each) for each in (line.carrier, line.waybill, line.items)))
        row.problem = row.problem or ("repeated" if told in seen else _judge(row, line, known, left))
        seen.add(told)
        row.state = State.WRONG if row.problem else State.WAITING
        if not row.problem:
            _take(row, left)
        rows.append(row)
    return rows


def words_of(problem: str) -> str:
    """A problem as people read it; what an act said of a line is kept in its own words."""
    return str(PROBLEMS.get(problem, problem))


def _places(row: list[str]) -> dict[str, int] | None:
    """Where each column stands, when this row is a header. Raises BadFile when it names too few."""
    cells = [carriers.folded(cell) for cell in row]
    names = {column: {carriers.folded(each) for each in known} for column, known in COLUMNS.items()}
    found = {column: place for place, cell in enumerate(cells) for column, known in names.items() if cell in known}
    if not found:
        return None
    if missing := {"order", "carrier", "waybill"} - found.keys():
        raise BadFile(_("Columns are missing: %(columns)s") % {"columns": ", ".join(sorted(missing))})
    return found


def _line(number: int, cells: list[str], places: dict[str, int]) -> Written:
    given = {column: cells[place].strip().lstrip("'") if place < len(cells) else "" for column, place in places.items()}
    return Written(number, **{column: given.get(column, "") for column in COLUMNS})


def _orders(lines: list[Written], among: QuerySet[Order]) -> dict[str, list[Order]]:
    """What lines call their orders → the orders: by their own number, else by their channel's."""
    names = {line.order for line in lines if line.order}
    parcels = Shipment.objects.filter(withdrawn_at=None).prefetch_related("lines")
    rows = among.prefetch_related(Prefetch("lines", Line.objects.order_by("position")), Prefetch("shipments", parcels))
    by_number: dict[str, list[Order]] = {}
    by_channel: dict[str, list[Order]] = {}
    for part in _parts(names):
        for order in rows.filter(Q(number__in=[each.upper() for each in part]) | Q(external_id__in=part)):
            by_number.setdefault(order.number, []).append(order)
            by_channel.setdefault(order.external_id, []).append(order)
    return {name: by_number.get(name.upper()) or by_channel.get(name, []) for name in names}


def _order_of(line: Written, orders: dict[str, list[Order]]) -> tuple[Order | None, str]:
    found = orders.get(line.order, [])
    if len(found) == 1:
        return found[0], ""
    return None, "ambiguous" if found else "unknown" if line.order else "unnamed"


def _judge(row: ShippingRow, line: Written, known: dict, left: dict) -> str:
    """Why a line cannot be shipped, as far as can be said now. What was shipped just like this before is in order."""
    try:
        row.carrier = carriers.carrier_as_told(line.carrier)
        row.tracking_number = carriers.waybill(line.waybill)
    except Problem as problem:
        name = problem.errors[0][0]
        return "carrier" if name == "carrier" else "rounded" if re.search(r"E\+", line.waybill) else "waybill"
    carrier = _known(row.carrier, known)
    if not row.tracking_number and carriers.is_sent(carrier):
        return "missing"
    row.items, problem = _items(row.order, line.items)
    if problem or _is_known(row, carrier):
        return problem
    return _standing(row.order) or _excess(row, left)


def _known(name: str, known: dict) -> Carrier | None:
    if name not in known:
        known[name] = carriers.find(name)
    return known[name]


def _standing(order: Order) -> str:
    if order.payment_status != Order.PaymentStatus.PAID:
        return "closed" if order.payment_status == Order.PaymentStatus.CLOSED else "unpaid"
    if 0 < order.paid_fen <= order.refunded_fen + order.refunding_fen:
        return "refunded"
    return "arrived" if order.fulfilment_status in {"delivered", "completed"} else ""


def _items(order: Order, text: str) -> tuple[list[dict] | None, str]:
    """What of the order is meant, by SKU, the channel's line number or name; None for all that is left."""
    if not text:
        return None, ""
    found = []
    for part in [each.strip() for each in re.split(r"[;；\n]", text) if each.strip()][:MOST_ITEMS]:
        told = ITEM.fullmatch(part)
        name = told["name"].strip() if told else part
        lines = [each for each in order.lines.all() if name in {each.sku, each.external_line_id, each.name}]
        if len(lines) != 1:
            return None, "items"
        found.append({"line_id": str(lines[0].pk), "quantity": int(told["quantity"]) if told else lines[0].quantity})
    return (found, "") if found and all(each["quantity"] for each in found) else (None, "items")


def _is_known(row: ShippingRow, carrier: Carrier | None) -> bool:
    """Whether the parcel was entered before: then the line changes nothing, and that is in order."""
    asked = {each["line_id"]: each["quantity"] for each in row.items} if row.items else None
    for parcel in row.order.shipments.all():
        is_carried = parcel.carried_by_id == (carrier and carrier.pk) if carrier else parcel.carrier == row.carrier
        is_same = is_carried and parcel.tracking_number.casefold() == row.tracking_number.casefold()
        if is_same and (asked is None or asked == {str(it.line_id): it.quantity for it in parcel.lines.all()}):
            return bool(row.tracking_number)
    return False


def _excess(row: ShippingRow, left: dict) -> str:
    rest = _left(row.order, left)
    if row.items is None:
        return "" if any(quantity > 0 for quantity in rest.values()) else "shipped"
    return "excess" if any(each["quantity"] > rest[each["line_id"]] for each in row.items) else ""


def _take(row: ShippingRow, left: dict) -> None:
    """What earlier lines of the file ship is not there for later ones."""
    rest = _left(row.order, left)
    taken = {each["line_id"]: each["quantity"] for each in row.items} if row.items else dict(rest)
    for line, quantity in taken.items():
        rest[line] = max(0, rest[line] - quantity)


def _left(order: Order, left: dict) -> dict[str, int]:
    if order.pk not in left:
        left[order.pk] = {
            str(it.pk): it.quantity - it.shipped_quantity - it.refunded_quantity for it in order.lines.all()
        }
    return left[order.pk]


def _parts(values: Iterable[str]):
    known = sorted(values)
    return (known[start : start + BATCH] for start in range(0, len(known), BATCH))

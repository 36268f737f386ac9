"""What WeChat has to know of an order's shipping, in its own words. Pure reading, no call.

Courier parcels are told one by one, fifteen at most; anything else (city delivery, nothing to carry, collected) is told
once, as a whole, when all of it is on its way.
"""

import hashlib
import json
from dataclasses import dataclass

from orders.models import Carrier, Order, Recipient, Shipment
from sync.secret import mask_phone

EXPRESS = 1
LOGISTICS = {Carrier.Kind.EXPRESS: EXPRESS, Carrier.Kind.LOCAL: 2, Carrier.Kind.VIRTUAL: 3, Carrier.Kind.PICKUP: 4}
NOTHING_CARRIED = LOGISTICS[Carrier.Kind.PICKUP]  # handed over, and nobody told of a parcel
UNIFIED, SPLIT = 1, 2
MOST_PARCELS, LONGEST = 15, 120
SHUNFENG = "SF"  # tells of a parcel only to who knows the receiver's last four digits
ON_ITS_WAY = {Order.FulfilmentStatus.SHIPPED, Order.FulfilmentStatus.DELIVERED, Order.FulfilmentStatus.COMPLETED}

Pair = tuple[str, str]  # waybill, WeChat's code of the carrier


class Unfit(Exception):
    """It cannot be told as it is; the text is a word for what is missing."""


@dataclass(frozen=True)
class Contents:
    """All that WeChat should know now. `parcels` are entries of its shipping_list."""

    logistics_type: int
    is_all: bool
    parcels: tuple[dict, ...]

    @property
    def pairs(self) -> list[Pair]:
        return [pair(parcel) for parcel in self.parcels]

    @property
    def digest(self) -> bytes:
        """What it is known again by."""
        said = [self.logistics_type, self.is_all, self.pairs]
        return hashlib.sha256(json.dumps(said, ensure_ascii=False).encode()).digest()


def pair(parcel: dict) -> Pair:
    """What a parcel is known by; both are empty for what no courier carries."""
    return parcel.get("tracking_no", ""), parcel.get("express_company", "")


def of(order: Order) -> Contents | None:
    """What there is to tell of an order read with `queries.whole()`; None: nothing yet. Raises Unfit."""
    is_all, parcels = order.fulfilment_status in ON_ITS_WAY, list(order.shipments.all())
    names = {line.pk: line.name for line in order.lines.all()}
    by_courier = [each for each in parcels if kind(each) == Carrier.Kind.EXPRESS]
    if by_courier:
        phone = _phone(order)
        told = tuple(_parcel(each, names, phone) for each in by_courier[:MOST_PARCELS])
        return Contents(EXPRESS, is_all, told)
    if not is_all:
        return None
    logistics = LOGISTICS[kind(parcels[0])] if parcels else NOTHING_CARRIED
    goods = [f"{line.name}×{line.quantity}" for line in order.lines.all()]
    return Contents(logistics, True, ({"item_desc": shortened(goods)},))


def kind(shipment: Shipment) -> str:
    """How a parcel travels; with a carrier that nobody knows, as couriers do."""
    return shipment.carried_by.kind if shipment.carried_by else Carrier.Kind.EXPRESS


def shortened(goods: list[str]) -> str:
    """What is in a parcel, as long as WeChat takes it."""
    text = "; ".join(goods)
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def _parcel(shipment: Shipment, names: dict, phone: str | None) -> dict:
    company = shipment.carried_by.wechat_code if shipment.carried_by else ""
    if not company:
        raise Unfit("carrier")
    if not shipment.tracking_number:
        raise Unfit("waybill")
    if company == SHUNFENG and not phone:
        raise Unfit("receiver")
    goods = [f"{names.get(line.line_id, '')}×{line.quantity}" for line in shipment.lines.all()]
    told = {"tracking_no": shipment.tracking_number, "express_company": company, "item_desc": shortened(goods)}
    return told | ({"contact": {"receiver_contact": phone}} if phone else {})


def _phone(order: Order) -> str | None:
    """The receiver's phone as it may travel: masked, the last four digits in sight."""
    recipient = Recipient.objects.filter(order=order).first()
    return mask_phone(recipient.phone) if recipient else None

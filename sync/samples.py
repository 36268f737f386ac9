"""Sample events: what a receiver is sent when staff try an address, of every type that the contract names.

They are made up: the member is nobody, the order no number of the hub's. `endpoint.test` says nothing at all.
"""

from datetime import UTC, datetime, timedelta

from sync.envelope import cloud_event
from sync.http import instant
from sync.ids import request_id, uuid7

TEST = "endpoint.test"
NOBODY = "00000000-0000-0000-0000-000000000000"
OTHER = "00000000-0000-0000-0000-000000000001"
NUMBER = "D000000000000000"
SOURCE = "/hub/samples"
BALANCE = {"available": 129, "pending": 0, "held": 0, "debt": 0, "version": 3}
UNPAID = {"payment_status": "unpaid", "fulfilment_status": "none", "refund_status": "none", "status": "pending_payment"}
PAID = {**UNPAID, "payment_status": "paid", "status": "paid"}
SHIPPED = {**PAID, "fulfilment_status": "shipped", "status": "shipped"}
STANDING = {
    "placed": UNPAID,
    "updated": UNPAID,
    "paid": PAID,
    "cancelled": {**UNPAID, "payment_status": "closed", "status": "cancelled"},
    "shipped": SHIPPED,
    "tracking_updated": SHIPPED,
    "delivered": {**SHIPPED, "fulfilment_status": "delivered", "status": "delivered"},
    "completed": {**SHIPPED, "fulfilment_status": "completed", "status": "completed"},
    "refund_requested": {**PAID, "status": "refunding"},
    "refunded": {**PAID, "refund_status": "full", "status": "refunded"},
    "claimed": PAID,
}
LABELS = {
    "pending_payment": "待付款",
    "paid": "待发货",
    "shipped": "待收货",
    "delivered": "已签收",
    "completed": "已完成",
    "cancelled": "已关闭",
    "refunding": "退款中",
    "refunded": "已退款",
}
POINTS = {"earned": 129, "spent": -100, "held": -100, "released": 100, "reversed": -129, "expired": -50, "adjusted": 10}
IDENTITY = {"id": NOBODY, "kind": "phone", "channel": "website"}
MEMBER = {
    "registered": {"id": NOBODY, "version": 1, "changed": ["identities", "phone"]},
    "updated": {"id": NOBODY, "version": 2, "changed": ["nickname"]},
    "erased": {"id": NOBODY, "version": 9, "changed": []},
    "identity_linked": {"id": NOBODY, "version": 3, "identity": IDENTITY},
    "identity_unlinked": {"id": NOBODY, "version": 4, "identity": IDENTITY},
    "consent_granted": {"id": NOBODY, "purpose": "marketing", "version": "1"},
    "consent_withdrawn": {"id": NOBODY, "purpose": "marketing", "version": "1"},
    "merged": {"from_id": OTHER, "into_id": NOBODY},
    "unmerged": {"from_id": OTHER, "into_id": NOBODY},
    "frozen": {"id": NOBODY, "scopes": ["points"]},
    "unfrozen": {"id": NOBODY, "scopes": ["points"]},
}
TYPES = (
    *(f"member.{what}" for what in MEMBER),
    *(f"order.{what}" for what in STANDING),
    *(f"points.{what}" for what in POINTS),
    "points.expiring",
    "tier.changed",
)


def sample(type: str, endpoint) -> tuple[str, bytes]:
    """A new event of this type for an endpoint: its id and the CloudEvent."""
    now, event_id = datetime.now(UTC), str(uuid7())
    row = {
        "id": event_id,
        "subject": f"member/{NOBODY}",
        "sequence": 1,
        "type": type,
        "source": SOURCE,
        "correlation_id": request_id.get(),
        "time": now,
        "data": data_of(type, endpoint, now),
    }
    return event_id, cloud_event(row)


def data_of(type: str, endpoint, now: datetime) -> dict:
    """The data of a sample."""
    floor, _dot, what = type.partition(".")
    if floor == "member":
        return MEMBER[what]
    if floor == "order":
        return _order(what, endpoint.channel.code, now)
    if type == "points.expiring":
        return {"points": 50, "at": instant(now + timedelta(days=30)), "balance": BALANCE}
    if floor == "points":
        return {"entry": _entry(what, endpoint.channel.code, now), "balance": BALANCE}
    if type == "tier.changed":
        return {"from": "normal", "to": "silver", "at": instant(now)}
    return {"endpoint": str(endpoint.pk), "channel": endpoint.channel.code}


def _order(what: str, channel: str, now: datetime) -> dict:
    """An order of one article for ¥129.00."""
    standing, at = STANDING[what], instant(now)
    is_paid, is_over = standing["payment_status"] == "paid", standing["fulfilment_status"] == "completed"
    is_back = standing["refund_status"] == "full"
    line = {"id": NOBODY, "external_line_id": "1", "sku": "SAMPLE-1", "name": "Sample", "quantity": 1}
    return {
        "number": NUMBER,
        "channel": channel,
        "external_id": "SAMPLE-1",
        "member_id": NOBODY,
        **standing,
        "status_label": LABELS[standing["status"]],
        "lines": [line | {"unit_price_fen": 12_900, "image_url": "", "refunded_quantity": int(is_back)}],
        "items_fen": 12_900,
        "shipping_fen": 0,
        "discounts": [],
        "discount_fen": 0,
        "points_redeemed": 0,
        "points_discount_fen": 0,
        "total_fen": 12_900,
        "paid_fen": 12_900 if is_paid else 0,
        "refunded_fen": 12_900 if is_back else 0,
        "points_earned": 129 if is_paid else 0,
        "shipments": [],
        "placed_at": at,
        "paid_at": at if is_paid else None,
        "completed_at": at if is_over else None,
        "updated_at": at,
        "version": 1 + list(STANDING).index(what),
    }


def _entry(what: str, channel: str, now: datetime) -> dict:
    is_earned = what == "earned"
    return {
        "id": NOBODY,
        "kind": what,
        "points": POINTS[what],
        "available_after": BALANCE["available"],
        "reference": f"order:{NUMBER}:paid" if is_earned else "SAMPLE-1",
        "channel": channel,
        "created_at": instant(now),
        "available_at": instant(now) if is_earned else None,
        "expires_at": instant(now + timedelta(days=365)) if is_earned else None,
    }

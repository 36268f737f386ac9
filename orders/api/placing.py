"""POST orders and the pushed fact order.placed: one road."""

from datetime import datetime

from orders import buyers, services
from orders.models import Order
from sync.act import Actor
from sync.http import Problem
from sync.models import Channel


def place_as_asked(
    channel: Channel, asked: dict, *, by: Actor, occurred_at: datetime | None = None
) -> tuple[Order, bool]:
    """Place what a validated PlaceIn asks for; `occurred_at` counts where it names no time. Refusals are problems."""
    try:
        return services.place(
            channel=channel,
            external_id=asked["external_id"],
            member=buyers.buyer(channel, asked),
            is_by_phone=buyers.is_by_phone(asked),
            items=asked["items"],
            shipping_fen=asked["shipping_fen"],
            discounts=asked["discounts"],
            address=asked.get("address"),
            contact=buyers.contact(asked),
            buyer_note=asked["buyer_note"] or "",
            placed_at=asked.get("placed_at") or occurred_at,
            total_fen=asked.get("total_fen"),
            digest=services.digest_of(channel, asked),
            by=by,
        )
    except services.AmountMismatch as error:
        raise Problem("amount_mismatch", error, expected_total_fen=error.total_fen) from error
    except services.ExternalIdConflict as error:
        raise Problem("external_id_conflict", error) from error
    except services.BuyerFrozen as error:
        raise Problem("member_frozen", error) from error

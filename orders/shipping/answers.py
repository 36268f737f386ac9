"""What WeChat answers about shipping: its error codes, and what it holds of an order."""

from dataclasses import dataclass

from orders.shipping.contents import Pair

UNKNOWN = 10060001  # no such payment, or not yet
CORRECTION_USED = 10060003
UNCHANGED = 10060023  # it holds exactly this
SURELY_BUSY = {45009, 45011, 44990}  # asked too often: nothing was done
MAY_BE_TOLD = {-1, 10060012, 10060019, 10060002, CORRECTION_USED}  # its own failure, or it is told already
TWICE = 2  # finish_shipping_count of a payment whose correction is used


@dataclass(frozen=True)
class Held:
    """What WeChat holds of an order's shipping."""

    is_finished: bool
    is_corrected: bool
    pairs: list[Pair]


def read(said: dict) -> Held | None:
    """What get_order told; None when it makes no sense."""
    order = said.get("order")
    if not isinstance(order, dict) or not isinstance(order.get("order_state"), int):
        return None
    shipping = order.get("shipping")
    shipping = shipping if isinstance(shipping, dict) else {}
    times = shipping.get("finish_shipping_count")
    times = times if isinstance(times, int) else 0
    parcels = shipping.get("shipping_list")
    parcels = [each for each in parcels if isinstance(each, dict)] if isinstance(parcels, list) else []
    pairs = [(str(each.get("tracking_no") or ""), str(each.get("express_company") or "")) for each in parcels]
    return Held(bool(shipping.get("finish_shipping")), times >= TWICE, pairs)


def is_taken(held: Held, asked: dict, *, is_correction: bool) -> bool:
    """Whether what was sent last is what WeChat holds."""
    sent = {tuple(each) for each in asked.get("pairs", [])}
    if is_correction:
        return set(held.pairs) == sent and held.is_corrected
    is_there = sent <= set(held.pairs) or sent == {("", "")}
    return is_there and held.is_finished >= bool(asked.get("is_all")) and (held.is_finished or bool(held.pairs))

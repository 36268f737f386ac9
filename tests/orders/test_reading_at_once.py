"""An order is read by everybody who may while it changes: never two representations of one version."""

import json
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest
from django.db import connections

from tests import make
from tests.loyalty.make_points import holder
from tests.orders import make_orders as o
from tests.orders import make_parcels as parcels
from tests.orders import make_refunds as refunds

pytestmark = pytest.mark.django_db(transaction=True)
READS = 1_000


@pytest.mark.slow
def test_a_thousand_reads_while_an_order_is_paid_shipped_tracked_and_refunded():
    order = o.order(member=holder(1), items=[o.item(6_450, 2), o.item(3_000, 1)])
    readers = list(readers_of(order))
    assert len({written(read()) for read in readers}) == 1
    with ThreadPoolExecutor(len(readers)) as pool:
        reading = [pool.submit(many, read, READS // len(readers)) for read in readers]
        change(order)
    seen = [shown for each in reading for shown in each.result()]
    last = [read() for read in readers]
    assert len(seen) == READS
    assert len({written(shown) for shown in last}) == 1
    versions = {shown["version"] for shown in seen + last}
    assert len({shown["version"] for shown in seen}) > 3
    assert len({written(shown) for shown in seen + last}) == len(versions)


def readers_of(order):
    """Both channels' backends, by its number and in their lists, and the member's clients on both."""
    for code in ("website", "mini-program"):
        backend, client = make.backend_client(code), make.member_client(order.member, code)
        yield partial(one, backend, f"orders/{order.number}")
        yield partial(one, client, f"me/orders/{order.number}")
        yield partial(listed, client, "me/orders")
        yield partial(listed, backend, "orders", external_id=order.external_id)


def one(caller, path: str) -> dict:
    return caller.get(path).json()


def listed(caller, path: str, **asked) -> dict:
    (shown,) = caller.get(path, **asked).json()["results"]
    return shown


def many(read, times: int) -> list[dict]:
    try:
        return [read() for _time in range(times)]
    finally:
        connections.close_all()


def written(shown: dict) -> str:
    """The same text for the same representation."""
    return json.dumps(shown, sort_keys=True)


def change(order) -> None:
    """Pay it, send it in parts, track it, pay some of it back."""
    parcels.carriers()
    o.pay(o.payment(order), fen=order.total_fen)
    first = parcels.ship(order, 1, number="SF1")
    parcels.track(first, ("02:00", "in_transit"), ("01:00", "collected"))
    second = parcels.ship(order, 1, 1, number="SF2")
    refund = refunds.refund(order, (1, 1_000))
    for parcel in (first, second):
        parcels.track(parcel, ("05:00", "delivered"), ("04:00", "in_transit"))
    if refund.state == "processing":
        refunds.told(refund)

"""Orders, payments and merchants for tests."""

import itertools
from uuid import UUID

from loyalty.models import EarnRule, Tier
from orders import services
from orders.models import Merchant, MerchantKey, Order, Payment
from sync.act import Actor
from tests import make
from tests.orders import outside

API_KEY = "a7cde1ZJB1kG2e7VfTs3jQzaWizur8Gb"
MCHID = "1900000001"
_numbers = itertools.count(1)


def item(fen: int = 12_900, quantity: int = 1, **fields) -> dict:
    """One line as a channel sends it."""
    return {"sku": "TEA-1", "name": "明前龙井", "quantity": quantity, "unit_price_fen": fen} | fields


def body(fen: int = 12_900, **fields) -> dict:
    """The body of POST orders for one line."""
    known = {"external_id": f"W{next(_numbers)}", "items": [item(fen)], "shipping_fen": 0, "discounts": []}
    return known | {"points_to_redeem": 0} | fields


def order(*, member=None, channel="website", fen: int = 12_900, lines: int = 1, **fields) -> Order:
    """A placed order of `fen` in all, over so many lines."""
    place = make.channel(channel) if isinstance(channel, str) else channel
    items = [item(fen // lines) for _line in range(lines - 1)] + [item(fen - fen // lines * (lines - 1))]
    known = {"external_id": f"W{next(_numbers)}", "items": items}
    known["by"] = Actor("channel", place.code, place.code)
    placed, _is_new = services.place(channel=place, member=member and member.pk, **known | fields)
    return placed


def merchant(pair: tuple[str, str], platform_public: str) -> Merchant:
    """The merchant of the test channels; WeChat Pay signs towards it with the key behind `platform_public`."""
    made = Merchant.objects.create(mchid=MCHID, name="商户", api_key=API_KEY, private_key=pair[0], serial="3775B6A4")
    MerchantKey.objects.create(merchant=made, serial=outside.SERIAL, public_key=platform_public)
    return made


def payment(order: Order, *, merchant: Merchant | None = None, **fields) -> Payment:
    """An open WeChat payment of an order."""
    known = {"provider": "wechat_pay", "method": "wechat_native", "amount_fen": order.total_fen, "state": "open"}
    known |= {"channel": order.channel, "app_id": order.channel.app_id, "merchant": merchant}
    return Payment.objects.create(order=order, **known | fields)


def pay(payment: Payment | UUID, *, fen: int = 12_900, transaction_id: str = "4200001", **fields):
    """The provider says that it was paid."""
    known = {"paid_at": make.NOON, "by": Actor("provider", "wechat_pay", "website")}
    given = {"payment": getattr(payment, "pk", payment), "transaction_id": transaction_id, "amount_fen": fen}
    return services.mark_paid(**given | known | fields)


def earning() -> None:
    """The seeded rule: one point per whole yuan; tiers normal, and silver from 1,000 yuan."""
    EarnRule.objects.create(code="paid", points_per_yuan=1, state="active", activated_at=make.NOON)
    Tier.objects.create(code="normal", name="普通会员", threshold_fen=0)
    Tier.objects.create(code="silver", name="银卡", threshold_fen=100_000)

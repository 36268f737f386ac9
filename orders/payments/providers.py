"""Who takes money: each provider by its name, and what every one of them can be asked."""

from datetime import date
from typing import Protocol

from orders.models import Merchant, Payment
from orders.payments.calling import Refused
from orders.payments.wechat_pay import Opening, WechatPay

OFFLINE = "offline"


class Provider(Protocol):
    """A provider of payments as one merchant sees it. Raises Unavailable, Refused; never called in an act."""

    def __init__(self, merchant: Merchant | None): ...

    def open(self, method: str, asked: Opening) -> dict:
        """Open a payment; what the member's client needs to pay it."""

    def query(self, number: str) -> dict:
        """What became of the payment behind our number."""

    def close(self, number: str) -> None:
        """Close an unpaid payment for good."""

    def refund(self, asked: dict) -> dict:
        """Give money back."""

    def refund_query(self, number: str) -> dict:
        """What became of the refund behind our number."""

    def bill(self, day: date) -> dict:
        """Where the statement of a day lies."""


class Offline:
    """Money that somebody took by other means, cash or a provider of a channel's own: nobody can be asked about it."""

    def __init__(self, merchant: Merchant | None = None):
        self.merchant = merchant

    def open(self, method: str, asked: Opening) -> dict:
        raise Refused("NOT_SUPPORTED")

    def query(self, number: str) -> dict:
        raise Refused("NOT_SUPPORTED")

    def close(self, number: str) -> None:
        raise Refused("NOT_SUPPORTED")

    def refund(self, asked: dict) -> dict:
        raise Refused("NOT_SUPPORTED")

    def refund_query(self, number: str) -> dict:
        raise Refused("NOT_SUPPORTED")

    def bill(self, day: date) -> dict:
        raise Refused("NOT_SUPPORTED")


PROVIDERS: dict[str, type[Provider]] = {"wechat_pay": WechatPay, OFFLINE: Offline}
ASKED = tuple(name for name, provider in PROVIDERS.items() if provider is not Offline)


def of(name: str, merchant: Merchant | None) -> Provider:
    """The provider of this name; one the hub does not know took its money offline."""
    return PROVIDERS.get(name, Offline)(merchant)


def taking(payment: Payment) -> Provider:
    """The provider of a payment."""
    return of(payment.provider, payment.merchant)

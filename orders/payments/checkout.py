"""A member pays through WeChat Pay: the intention is committed, WeChat Pay called, the result committed."""

import json
import logging
from uuid import UUID

from django.utils.translation import gettext_lazy as _

from members import services as members
from orders import services
from orders.models import Merchant, Payment
from orders.payments import providers, transactions, wechat_pay
from orders.payments.providers import Provider
from orders.payments.wechat_pay import JSAPI
from sync import alerts
from sync.models import Channel

logger = logging.getLogger(__name__)

UNPAYABLE = {"CLOSED", "REVOKED", "PAYERROR"}
KNOWN = UNPAYABLE | transactions.PAID | {"NOTPAY", "USERPAYING", "ACCEPT"}
UNKNOWN = {"ORDER_NOT_EXIST", "ORDERNOTEXIST", "RESOURCE_NOT_EXISTS"}


class NoOpenid(Exception):
    """The member has no openid of this channel's app."""


class NoMerchant(Exception):
    """The channel takes no WeChat payments."""

    def __init__(self):
        super().__init__(_("This channel takes no WeChat payments"))


def pay(*, number: str, member: UUID, channel: Channel, method: str, address: str) -> Payment:
    """A payment of the member's order that is open at WeChat Pay. Not to be called in a transaction.

    An open one of the same method and payer is given back; any other is asked about and closed first. Raises
    Order.DoesNotExist, NoMerchant, NoOpenid, WrongState, InProgress, and Unavailable or Refused by WeChat Pay.
    """
    wanted = {"number": number, "member": member, "channel": channel, "method": method}
    wanted |= {"merchant": merchant_of(channel), "payer": payer_of(member, channel, method)}
    try:
        payment = services.open_payment(**wanted)
    except services.Occupied as occupied:
        make_way(occupied.payment)
        payment = _open_again(wanted)
    return payment if payment.state == Payment.State.OPEN else _prepay(payment, address)


def merchant_of(channel: Channel) -> Merchant:
    """Who takes a channel's WeChat payments; raises NoMerchant."""
    merchant = Merchant.objects.filter(mchid=channel.merchant_id).first() if channel.merchant_id else None
    if merchant is None or not channel.app_id:
        raise NoMerchant
    return merchant


def payer_of(member: UUID, channel: Channel, method: str) -> str | None:
    """The openid that a payment within WeChat is bound to; None where anybody may pay. Raises NoOpenid."""
    if method != JSAPI:
        return None
    openid = members.openid(member, channel.app_id)
    if openid is None:
        raise NoOpenid
    return openid


def make_way(payment: Payment) -> None:
    """Close an open payment, asking WeChat Pay first; money that is there or on its way raises InProgress."""
    told = told_of(payment)
    if told.get("trade_state") == "NOTPAY":
        _close(providers.taking(payment), wechat_pay.out_trade_no(payment.pk))
    elif told.get("trade_state") not in UNPAYABLE:
        if transactions.is_paid(told):
            settle(told)
        raise services.InProgress
    services.close_payment(payment=payment.pk)


def told_of(payment: Payment) -> dict:
    """What WeChat Pay says of a payment; one it does not know counts as closed."""
    try:
        told = providers.taking(payment).query(wechat_pay.out_trade_no(payment.pk))
    except wechat_pay.Refused as refused:
        if refused.code not in UNKNOWN:
            raise
        return {"trade_state": "CLOSED"}
    if told.get("trade_state") not in KNOWN:
        logger.error("WeChat Pay tells a state that is not known: %.40s", told.get("trade_state"))
        alerts.measure("wechat_pay.states_unknown", 1)
    return told


def settle(told: dict) -> None:
    """The query tells of money before the notification does: the same road."""
    try:
        transactions.apply(told)
    except transactions.Malformed as error:
        raise wechat_pay.Unavailable(f"a transaction without {error}") from error


def _close(provider: Provider, number: str) -> None:
    """Close what was unpaid a moment ago; refused when it has been paid meanwhile."""
    try:
        provider.close(number)
    except wechat_pay.Refused as refused:
        raise services.InProgress from refused


def _open_again(wanted: dict) -> Payment:
    try:
        return services.open_payment(**wanted)
    except services.Occupied as occupied:
        raise services.InProgress from occupied


def _prepay(payment: Payment, address: str) -> Payment:
    provider = providers.taking(payment)
    try:
        params = provider.open(payment.method, wechat_pay.opening_of(payment, address=address))
    except (wechat_pay.Unavailable, wechat_pay.Refused):
        services.close_payment(payment=payment.pk)  # nobody has what it takes to pay it
        raise
    try:
        return services.attach_prepay(payment=payment.pk, params=json.dumps(params))
    except services.WrongState:
        _give_up(payment)
        raise


def _give_up(payment: Payment) -> None:
    """Nobody was told how to pay it; whether WeChat Pay closes it as well decides nothing."""
    try:
        providers.taking(payment).close(wechat_pay.out_trade_no(payment.pk))
    except (wechat_pay.Unavailable, wechat_pay.Refused) as error:
        logger.warning("Payment %s stays open at WeChat Pay until it expires: %s", payment.pk, error)
    services.close_payment(payment=payment.pk)

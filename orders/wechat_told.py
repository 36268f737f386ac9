"""What WeChat pushed to an app, applied by the inbox: money that was released, reminders, messages nobody wants."""

import logging
from collections.abc import Iterator
from datetime import UTC, datetime

from members import notices
from orders.models import Payment
from orders.rules import WECHAT_PAY
from orders.services.locks import lock_order
from orders.shipping import uploading
from sync.act import Actor
from sync.http import Problem
from sync.models import Channel

logger = logging.getLogger(__name__)

UNWANTED = ("reject", "refuse", "deny")
DECLINED = "43101"


def settlement(channel: Channel | None, data: dict, occurred_at: datetime, by: Actor) -> None:
    """`trade_manage_order_settlement`: it comes when all is shipped, and again when the money is released.

    Raises Problem `invalid` for what names no payment.
    """
    if at := _time(data.get("settlement_time")):
        mchid = str(data.get("merchant_id") or "")
        known = {"transaction_id": _transaction(data), "mchid": mchid, "app_id": _app(by)}
        if not uploading.settled(**known, at=at):
            logger.warning("WeChat released the money of a payment that is none of ours")


def shipping_missing(channel: Channel | None, data: dict, occurred_at: datetime, by: Actor) -> None:
    """`trade_manage_remind_shipping`: WeChat misses a parcel; looked at again, if anything of the order is shipped."""
    paid = Payment.objects.filter(provider=WECHAT_PAY, transaction_id=_transaction(data), app_id=_app(by))
    payment = paid.filter(state=Payment.State.PAID).first()
    if payment:
        order = lock_order(payment.order_id)
        if order.fulfilment_status != order.FulfilmentStatus.NONE:
            uploading.want(order, by)


def access_missing(channel: Channel | None, data: dict, occurred_at: datetime, by: Actor) -> None:
    """`trade_manage_remind_access_api`: WeChat has never been told of a parcel of this app; measured when it came."""
    logger.warning("WeChat has not been told of any shipping of app %s", _app(by))


def messages_changed(channel: Channel | None, data: dict, occurred_at: datetime, by: Actor) -> None:
    """`subscribe_msg_change_event`: a person turned messages off in WeChat's own settings."""
    for each in _list(data, "SubscribeMsgChangeEvent"):
        if str(each.get("SubscribeStatusString")) == "reject":
            _silence(data, each, by)


def message_sent(channel: Channel | None, data: dict, occurred_at: datetime, by: Actor) -> None:
    """`subscribe_msg_sent_event`: what became of a message; one that the person refuses is the last of its kind."""
    for each in _list(data, "SubscribeMsgSentEvent"):
        status = str(each.get("ErrorStatus", "")).lower()
        if str(each.get("ErrorCode")) == DECLINED or any(word in status for word in UNWANTED):
            _silence(data, each, by)


def _silence(data: dict, each: dict, by: Actor) -> None:
    said = {"openid": str(data.get("FromUserName", "")), "template_id": str(each.get("TemplateId", ""))}
    notices.silence(app_id=_app(by), **said)


def _list(data: dict, name: str) -> Iterator[dict]:
    """The entries of an event: XML wraps them, JSON does not; one stands alone."""
    around = data.get(name)
    found = around.get("List") if isinstance(around, dict) else data.get("List")
    for each in found if isinstance(found, list) else [found]:
        if isinstance(each, dict):
            yield each


def _app(by: Actor) -> str:
    return by.id.partition("/")[2]


def _transaction(data: dict) -> str:
    found = data.get("transaction_id")
    if not (isinstance(found, str) and 0 < len(found) <= 64):
        raise Problem("invalid", errors=[("transaction_id", "invalid", "")])
    return found


def _time(said) -> datetime | None:
    """Seconds since 1970, as a number or its text; 0 and what makes no sense are none."""
    text = str(said or "")
    if not (text.isascii() and text.isdigit() and len(text) == 10):
        return None
    return datetime.fromtimestamp(int(text), UTC)

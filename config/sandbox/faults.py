"""Fault switches: what can be made to go wrong around the hub, and how much of it."""

import random

from config.sandbox import waiting
from config.sandbox.models import Fault

SECONDS, SHARE = "seconds", "share"
MOST = {SECONDS: 60, SHARE: 1}
KNOWN = {
    "wechat_timeout": SECONDS,  # WeChat answers only after so long
    "wechat_error": SHARE,  # of the calls WeChat answers with errcode -1
    "wechat_pay_timeout": SECONDS,
    "wechat_pay_error": SHARE,  # of the calls WeChat Pay answers with 500 SYSTEM_ERROR
    "wechat_pay_down": SHARE,  # of the calls meet a dead gateway, of the notifications none is sent
    "lose_payment_notifications": SHARE,  # of the notifications never arrive
    "delay_payment_notifications": SECONDS,  # each arrives at some time within so long
    "duplicate_payment_notifications": SHARE,  # of the notifications arrive twice
    "missign_payment_notifications": SHARE,  # of the notifications carry a signature that does not hold
    "kuaidi100_timeout": SECONDS,
    "kuaidi100_error": SHARE,  # of the calls 快递100 answers with its 500
    "lose_carrier_pushes": SHARE,  # of the pushes never arrive
    "missign_carrier_pushes": SHARE,  # of the pushes carry a signature that does not hold
    "lose_refund_notifications": SHARE,
    "delay_refund_notifications": SECONDS,
    "duplicate_refund_notifications": SHARE,
    "missign_refund_notifications": SHARE,
    "refund_not_enough": SHARE,  # of the refunds find too little money on the merchant's account
    "sms_timeout": SECONDS,
    "sms_fail": SHARE,  # of the messages are refused with 503
}

_dice = random.SystemRandom()


def all_values() -> dict[str, float]:
    """Every switch with its value; 0 is off."""
    return dict.fromkeys(KNOWN, 0) | dict(Fault.objects.values_list("name", "value"))


def put(values: dict[str, float]) -> None:
    """Set these switches, leave the others as they are."""
    rows = [Fault(name=name, value=value) for name, value in values.items()]
    Fault.objects.bulk_create(rows, update_conflicts=True, unique_fields=["name"], update_fields=["value"])


def clear() -> None:
    """Switch everything off."""
    Fault.objects.all().delete()


def strikes(name: str) -> bool:
    """Whether this time the fault happens."""
    share = _value(name)
    return share > 0 and _dice.random() < share


def up_to(name: str) -> float:
    """Some seconds, as many as the fault says at most."""
    return _dice.uniform(0, _value(name))


def delay(name: str) -> None:
    """Hold an answer back as long as the fault says."""
    waiting.pause(_value(name))


def _value(name: str) -> float:
    return Fault.objects.filter(name=name).values_list("value", flat=True).first() or 0

"""Notifications of WeChat Pay: judged as raw bytes, opened, and only then read."""

from collections.abc import Mapping
from dataclasses import dataclass

import orjson

from orders.models import Merchant
from orders.payments import certificates, signing
from orders.payments.signing import NotSigned
from sync.http import Problem
from sync.http.input import loads

NAMED = {"id": 255, "event_type": 48}  # and how long they may be


@dataclass(frozen=True)
class Notice:
    """A notification that WeChat Pay sent: its id, its type such as TRANSACTION.SUCCESS, what it tells."""

    id: str
    type: str
    told: dict

    @property
    def body(self) -> bytes:
        """What it tells, in one spelling: each copy is encrypted anew."""
        return orjson.dumps(self.told, option=orjson.OPT_SORT_KEYS)

    @property
    def subject(self) -> str:
        """What must be applied in order: the payment it is about."""
        return f"wechat_pay/{str(self.told.get('out_trade_no', ''))[:64]}"


def read(mchid: str, headers: Mapping[str, str], body: bytes, *, now: float) -> Notice:
    """The notification in `body`, when WeChat Pay signed it for this merchant within 5 minutes of `now`.

    Raises NotSigned for everything else, whatever is wrong with it.
    """
    merchant = Merchant.objects.filter(mchid=mchid).first()
    if merchant is None:
        raise NotSigned("unknown merchant")
    certificates.believe(merchant, headers, body, now=now)
    notice = _object(body)
    if not all(isinstance(notice.get(name), str) and 0 < len(notice[name]) <= most for name, most in NAMED.items()):
        raise NotSigned("no id or type")
    told = _object(signing.unseal(notice.get("resource"), merchant.api_key))
    if told.get("mchid", mchid) != mchid:
        raise NotSigned("about another merchant")
    return Notice(notice["id"], notice["event_type"], told)


def _object(body: bytes) -> dict:
    try:
        value = loads(body)
    except Problem as error:
        raise NotSigned("not JSON") from error
    if not isinstance(value, dict):
        raise NotSigned("not a JSON object")
    return value

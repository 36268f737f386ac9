"""WeChat Pay APIv3: opening, asking about and closing payments, as a merchant of ours.

Every call is signed with the merchant's key and every success must be signed by WeChat Pay. Never called in an act.
"""

import json
import secrets
import time
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from uuid import UUID

import httpx
from django.conf import settings
from django.utils.translation import gettext_lazy as _

from orders.models import Merchant, Payment
from orders.payments import signing

JSAPI, NATIVE, H5 = "wechat_jsapi", "wechat_native", "wechat_h5"
METHODS = (JSAPI, NATIVE, H5)
TIMEOUT = httpx.Timeout(3.0, connect=2.0)
PUBLIC_KEY_ID = "PUB_KEY_ID_"


class Unavailable(Exception):
    """WeChat Pay gave no answer that can be believed."""


class Refused(Exception):
    """WeChat Pay refused: `code` is its own word for why, such as ORDER_NOT_EXIST."""

    def __init__(self, code: str, message: str = ""):
        super().__init__(_("WeChat Pay refused: %(code)s") % {"code": code})
        self.code, self.message = code, message


@dataclass(frozen=True)
class Opening:
    """What WeChat Pay has to know to open a payment; `payer` is an openid, `address` the browser's IP."""

    out_trade_no: str
    app_id: str
    amount_fen: int
    description: str
    expires_at: datetime
    payer: str = ""
    address: str = ""


def out_trade_no(payment: UUID) -> str:
    """Our number of a payment over there: its id without dashes."""
    return payment.hex


def payment_id(number: str) -> UUID | None:
    """The payment behind an `out_trade_no`; None when it cannot be one of ours."""
    try:
        found = UUID(hex=number)
    except ValueError:
        return None
    return found if found.hex == number else None


def opening_of(payment: Payment, *, address: str = "") -> Opening:
    """What to tell about a payment of ours. Nothing of the buyer but the openid."""
    return Opening(
        out_trade_no=out_trade_no(payment.pk),
        app_id=payment.app_id,
        amount_fen=payment.amount_fen,
        description=f"{payment.channel.name} {payment.order.number}"[:127],
        expires_at=payment.expires_at,
        payer=payment.payer or "",
        address=address,
    )


class WechatPay:
    """WeChat Pay as one merchant sees it. Raises Unavailable or Refused."""

    def __init__(self, merchant: Merchant):
        self.merchant = merchant

    def open(self, method: str, asked: Opening) -> dict:
        """Open a payment; returns what the member's client needs to pay it."""
        kind = method.removeprefix("wechat_")
        answer = self._call("POST", f"/v3/pay/transactions/{kind}", self._body(method, asked))
        try:
            if method == JSAPI:
                return self.jsapi_params(asked.app_id, answer["prepay_id"])
            return {"code_url": answer["code_url"]} if method == NATIVE else {"h5_url": answer["h5_url"]}
        except KeyError as error:
            raise Unavailable("an answer without what was asked for") from error

    def query(self, number: str) -> dict:
        """The transaction behind our number, as WeChat Pay tells it: trade_state, amount, transaction_id …"""
        return self._call("GET", f"/v3/pay/transactions/out-trade-no/{number}?mchid={self.merchant.mchid}")

    def close(self, number: str) -> None:
        """Close an unpaid payment for good."""
        self._call("POST", f"/v3/pay/transactions/out-trade-no/{number}/close", {"mchid": self.merchant.mchid})

    def jsapi_params(self, app_id: str, prepay_id: str) -> dict:
        """What `wx.requestPayment` takes."""
        timestamp, nonce, package = str(int(time.time())), secrets.token_hex(16), f"prepay_id={prepay_id}"
        signature = signing.sign(signing.lines(app_id, timestamp, nonce, package), self.merchant.private_key)
        return {
            "appId": app_id,
            "timeStamp": timestamp,
            "nonceStr": nonce,
            "package": package,
            "signType": "RSA",
            "paySign": signature,
        }

    def _body(self, method: str, asked: Opening) -> dict:
        body = {
            "appid": asked.app_id,
            "mchid": self.merchant.mchid,
            "description": asked.description,
            "out_trade_no": asked.out_trade_no,
            "time_expire": asked.expires_at.isoformat(timespec="seconds"),
            "notify_url": f"{settings.PUBLIC_URL}/callbacks/wechat-pay/{self.merchant.mchid}",
            "amount": {"total": asked.amount_fen, "currency": "CNY"},
        }
        if method == JSAPI:
            body["payer"] = {"openid": asked.payer}
        if method == H5:
            body["scene_info"] = {"payer_client_ip": asked.address, "h5_info": {"type": "Wap"}}
        return body

    def _call(self, method: str, path: str, body: dict | None = None) -> dict:
        content = b"" if body is None else json.dumps(body, ensure_ascii=False).encode()
        try:
            answer = client().request(
                method, settings.WECHAT_PAY_URL + path, content=content, headers=self._headers(method, path, content)
            )
        except httpx.HTTPError as error:
            raise Unavailable(type(error).__name__) from error
        if 400 <= answer.status_code < 500 and answer.status_code != 429:
            raise Refused(_code_of(answer))
        if not answer.is_success:
            raise Unavailable(str(answer.status_code))
        return self._believed(answer)

    def _headers(self, method: str, path: str, content: bytes) -> dict[str, str]:
        timestamp, nonce = str(int(time.time())), secrets.token_hex(16)
        message = signing.lines(method, path, timestamp, nonce, content)
        proof = {
            "mchid": self.merchant.mchid,
            "nonce_str": nonce,
            "signature": signing.sign(message, self.merchant.private_key),
            "timestamp": timestamp,
            "serial_no": self.merchant.serial,
        }
        stated = ",".join(f'{name}="{value}"' for name, value in proof.items())
        headers = {
            "Authorization": f"{signing.SCHEME} {stated}",
            "Accept": "application/json",
            "Content-Type": "application/json",
            "User-Agent": "member-hub",
        }
        known = sorted(serial for serial in keys_of(self.merchant) if serial.startswith(PUBLIC_KEY_ID))
        return headers | ({"Wechatpay-Serial": known[-1]} if known else {})

    def _believed(self, answer: httpx.Response) -> dict:
        try:
            signing.verify(answer.headers, answer.content, keys_of(self.merchant), now=time.time())
            return answer.json() if answer.content else {}
        except (signing.NotSigned, ValueError) as error:
            raise Unavailable(str(error)) from error


def keys_of(merchant: Merchant) -> dict[str, str]:
    """The keys WeChat Pay signs with towards this merchant, by serial."""
    return dict(merchant.keys.values_list("serial", "public_key"))


def _code_of(answer: httpx.Response) -> str:
    try:
        return str(answer.json()["code"])
    except (ValueError, KeyError, TypeError):
        return str(answer.status_code)


@cache
def client() -> httpx.Client:
    """The process' connections to WeChat Pay."""
    return httpx.Client(timeout=TIMEOUT, trust_env=False)

"""WeChat Pay APIv3: opening, asking about and closing payments, as a merchant of ours.

Every call is signed with the merchant's key and every success must be signed by WeChat Pay. Never called in an act.
"""

import secrets
import time
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from django.conf import settings

from orders.models import Merchant, Payment
from orders.payments import calling, certificates, signing
from orders.payments.calling import Refused, Unavailable, client, keys_of

JSAPI, NATIVE, H5 = "wechat_jsapi", "wechat_native", "wechat_h5"
METHODS = (JSAPI, NATIVE, H5)
__all__ = ["H5", "JSAPI", "METHODS", "NATIVE", "Opening", "Refused", "Unavailable", "WechatPay", "client", "keys_of"]


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

    def refund(self, asked: dict) -> dict:
        """Give money back, as `asked` says in WeChat Pay's words; asking the same again is no second refund."""
        return self._call("POST", "/v3/refund/domestic/refunds", asked)

    def refund_query(self, number: str) -> dict:
        """The refund behind our number, as WeChat Pay tells it: status, amount, refund_id …"""
        return self._call("GET", f"/v3/refund/domestic/refunds/{number}")

    def bill(self, day: date) -> dict:
        """Where the bill of a day's trades lies and its digest: {hash_type, hash_value, download_url}."""
        return self._call("GET", f"/v3/bill/tradebill?bill_date={day.isoformat()}&bill_type=ALL")

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
        answer = calling.send(self.merchant, method, path, body)
        try:
            certificates.believe(self.merchant, answer.headers, answer.content, now=time.time())
            return answer.json() if answer.content else {}
        except (signing.NotSigned, ValueError) as error:
            raise Unavailable(str(error)) from error

    def _headers(self, method: str, path: str, content: bytes) -> dict[str, str]:
        return calling.signed_headers(self.merchant, method, path, content)

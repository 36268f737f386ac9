"""WeChat Pay APIv3, as far as the hub uses it: payment orders, queries, closing.

Every call must carry the merchant's signature, every answer carries the platform's (`stand_ins/signing.py`).
"""

import json
import secrets
from datetime import date, datetime
from functools import wraps

from django.db import IntegrityError, transaction
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_GET, require_POST

from config.sandbox import faults
from config.sandbox.models import PayAccount, Trade
from config.sandbox.stand_ins import bills, notifying, platform, signing
from config.sandbox.stand_ins.notifying import as_transaction

CODES = {
    "SIGN_ERROR": (401, "错误的签名，验签失败"),
    "PARAM_ERROR": (400, "参数错误"),
    "ORDER_NOT_EXIST": (404, "订单不存在"),
    "OUT_TRADE_NO_USED": (403, "商户订单号重复"),
    "ORDERPAID": (400, "该订单已支付"),
    "ORDER_CLOSED": (400, "订单已关闭"),
    "NO_STATEMENT_EXIST": (400, "账单文件不存在"),
    "RESOURCE_NOT_EXISTS": (404, "订单不存在"),
    "INVALID_REQUEST": (400, "请求不符合业务规则"),
    "NOT_ENOUGH": (403, "基本账户余额不足，请充值后重新发起"),
    "SYSTEM_ERROR": (500, "系统异常，请稍后重试"),
}


class Refusal(Exception):
    """WeChat Pay refuses with a code."""

    def __init__(self, code: str):
        super().__init__(code)
        self.code = code


def signed(view):
    """Verify the merchant's signature, sign the answer; faults strike here."""

    @csrf_exempt
    @wraps(view)
    def run(request: HttpRequest, **path) -> HttpResponse:
        faults.delay("wechat_pay_timeout")
        if faults.strikes("wechat_pay_down"):
            return HttpResponse("<html><h1>502 Bad Gateway</h1></html>", status=502)
        account = None
        try:
            account = signing.merchant_of(request)
            if faults.strikes("wechat_pay_error"):
                raise Refusal("SYSTEM_ERROR")
            status, body = 200, view(request, account, **path)
        except signing.Unsigned:
            status, body = _refused("SIGN_ERROR")
        except Refusal as refusal:
            status, body = _refused(refusal.code)
        return _answer(account, status, body, request.headers.get("Wechatpay-Serial", ""))

    return run


@require_POST
@signed
def jsapi(request: HttpRequest, account: PayAccount) -> dict:
    """A payment inside WeChat, by the payer's openid of this app."""
    asked = read_json(request)
    payer = asked.get("payer")
    if not (isinstance(payer, dict) and isinstance(payer.get("openid"), str) and payer["openid"]):
        raise Refusal("PARAM_ERROR")
    return {"prepay_id": _order(account, "JSAPI", asked, payer["openid"]).prepay_id}


@require_POST
@signed
def native(request: HttpRequest, account: PayAccount) -> dict:
    """A payment by scanning a code."""
    trade = _order(account, "NATIVE", read_json(request))
    return {"code_url": f"weixin://wxpay/bizpayurl?pr={trade.prepay_id[-9:]}"}


@require_POST
@signed
def h5(request: HttpRequest, account: PayAccount) -> dict:
    """A payment that begins in a phone's browser."""
    trade = _order(account, "MWEB", read_json(request))
    return {"h5_url": f"https://wx.tenpay.com/cgi-bin/mmpayweb-bin/checkmweb?prepay_id={trade.prepay_id}&package=1"}


@require_GET
@signed
def query(request: HttpRequest, account: PayAccount, number: str) -> dict:
    """What became of a payment order, by the merchant's number."""
    return as_transaction(_trade(account, number, request.GET.get("mchid")))


@require_POST
@signed
def close(request: HttpRequest, account: PayAccount, number: str) -> None:
    """Close a payment order that is not paid; closing again changes nothing."""
    trade = _trade(account, number, read_json(request).get("mchid"))
    closed = Trade.objects.filter(pk=trade.pk).exclude(state=Trade.State.SUCCESS).update(state=Trade.State.CLOSED)
    if not closed:
        raise Refusal("ORDERPAID")


@require_GET
@signed
def certificates(request: HttpRequest, account: PayAccount) -> dict:
    """The certificates that WeChat Pay signs with."""
    return platform.told(account)


@require_GET
@signed
def tradebill(request: HttpRequest, account: PayAccount) -> dict:
    """Where the bill of a day lies, and its digest."""
    content = bills.bill(account, _day(request))
    if content is None:
        raise Refusal("NO_STATEMENT_EXIST")
    path = f"/v3/billdownload/file?token={request.GET['bill_date']}"
    url = f"http://{request.get_host()}{signing.PREFIX}{path}"
    return {"hash_type": "SHA1", "hash_value": bills.digest(content), "download_url": url}


@csrf_exempt
@require_GET
def billdownload(request: HttpRequest) -> HttpResponse:
    """The bill itself, which nobody signs."""
    try:
        content = bills.bill(signing.merchant_of(request), date.fromisoformat(request.GET.get("token", "")))
    except (signing.Unsigned, ValueError):
        return HttpResponse(status=401)
    return HttpResponse(content or b"", content_type="text/plain")


def _day(request: HttpRequest) -> date:
    """The day asked for: over, and not of long ago."""
    try:
        day = date.fromisoformat(request.GET.get("bill_date", ""))
    except ValueError as error:
        raise Refusal("PARAM_ERROR") from error
    if day >= datetime.now(notifying.SHANGHAI).date():
        raise Refusal("NO_STATEMENT_EXIST")
    return day


def _order(account: PayAccount, trade_type: str, asked: dict, payer: str | None = None) -> Trade:
    """The payment order asked for: a new one, or the same again. Other terms under a used number are refused."""
    terms = {"trade_type": trade_type, "payer": payer} | _terms(account, asked)
    number = asked["out_trade_no"]
    try:
        with transaction.atomic():
            return Trade.objects.create(
                account=account, out_trade_no=number, prepay_id="wx" + secrets.token_hex(17), **terms
            )
    except IntegrityError:
        known = account.trades.get(out_trade_no=number)
    if known.state == Trade.State.SUCCESS:
        raise Refusal("ORDERPAID")
    if known.state == Trade.State.CLOSED:
        raise Refusal("ORDER_CLOSED")
    if any(getattr(known, name) != value for name, value in terms.items()):
        raise Refusal("OUT_TRADE_NO_USED")
    return known


def _terms(account: PayAccount, asked: dict) -> dict:
    texts = ["appid", "mchid", "description", "out_trade_no", "notify_url"]
    amount = asked.get("amount")
    total = amount.get("total") if isinstance(amount, dict) else None
    whole = isinstance(total, int) and not isinstance(total, bool) and total > 0
    if not whole or not all(isinstance(asked.get(name), str) and asked[name] for name in texts):
        raise Refusal("PARAM_ERROR")
    if asked["mchid"] != account.mchid or not 6 <= len(asked["out_trade_no"]) <= 32 or "?" in asked["notify_url"]:
        raise Refusal("PARAM_ERROR")
    return {"app_id": asked["appid"], "amount_fen": total, "notify_url": asked["notify_url"][:300]}


def _trade(account: PayAccount, number: str, mchid: str | None) -> Trade:
    if mchid != account.mchid:
        raise Refusal("PARAM_ERROR")
    trade = account.trades.select_related("account").filter(out_trade_no=number).first()
    if trade is None:
        raise Refusal("ORDER_NOT_EXIST")
    return trade


def read_json(request: HttpRequest) -> dict:
    """The body of a call: a JSON object."""
    try:
        body = json.loads(request.body)
    except ValueError as error:
        raise Refusal("PARAM_ERROR") from error
    if not isinstance(body, dict):
        raise Refusal("PARAM_ERROR")
    return body


def _refused(code: str) -> tuple[int, dict]:
    status, message = CODES[code]
    return status, {"code": code, "message": message}


def _answer(account: PayAccount | None, status: int, body: dict | None, asked: str) -> HttpResponse:
    content = b"" if body is None else json.dumps(body, ensure_ascii=False).encode()
    response = HttpResponse(content, status=status if body is not None else 204, content_type="application/json")
    response["Request-ID"] = secrets.token_hex(16).upper()
    for name, value in signing.headers(account, content, asked).items() if account else ():
        response[name] = value
    return response

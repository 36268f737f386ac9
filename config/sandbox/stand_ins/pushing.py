"""WeChat pushes to a mini-program's message address: sealed, signed, three times at most until it hears `success`."""

import base64
import json
import secrets
import time
from collections.abc import Iterator

import httpx
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC
from django.conf import settings
from django.http import HttpRequest, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from config.sandbox import waiting
from config.sandbox.models import App, Shipping, Trade
from config.sandbox.seed import credentials
from orders.wechat_sealing import signature
from sync import clock

PATIENCE, TIMES, BLOCK = 5.0, 3, 32


@csrf_exempt
@require_POST
def push(request: HttpRequest) -> JsonResponse:
    """Push `{app_id, message}`; the hub's statuses, one for each try."""
    asked = json.loads(request.body)
    app = App.objects.filter(app_id=asked.get("app_id")).first()
    if app is None:
        return JsonResponse({}, status=404)
    return JsonResponse({"statuses": list(sent(app, asked["message"]))})


@csrf_exempt
@require_POST
def settle(request: HttpRequest, transaction_id: str) -> JsonResponse:
    """The buyer has confirmed, the money is released: said by a push, each time it is asked for."""
    held = Shipping.objects.filter(transaction_id=transaction_id, finished__gt=0).first()
    trade = Trade.objects.select_related("account").filter(transaction_id=transaction_id).first()
    if held is None or trade is None:
        return JsonResponse({}, status=404)
    held.settled_at = held.settled_at or clock.now()
    held.save(update_fields=["settled_at"])
    app = App.objects.get(app_id=held.app_id)
    return JsonResponse({"statuses": list(sent(app, _settlement(held, trade)))})


def sent(app: App, message: dict) -> Iterator[int | None]:
    """Push to the hub until it answers 200 `success`; the status of each try, None without an answer."""
    known = {"ToUserName": "gh_sandbox", "FromUserName": "system", "CreateTime": int(time.time())}
    body = json.dumps(known | message, ensure_ascii=False).encode()
    token, key = credentials.push_token(app.channel), credentials.push_key(app.channel)
    waiting.let_go()
    with httpx.Client(timeout=PATIENCE, trust_env=False) as http:
        for _time in range(TIMES):
            encrypted = sealed(body, key=key, app_id=app.app_id)
            answer = _posted(http, app.app_id, encrypted, token)
            yield answer and answer.status_code
            if answer is not None and (answer.status_code, answer.text) == (200, "success"):
                return


def sealed(content: bytes, *, key: str, app_id: str) -> str:
    """`Encrypt`: random, length, content and app, under the EncodingAESKey."""
    plain = secrets.token_bytes(16) + len(content).to_bytes(4, "big") + content + app_id.encode()
    padding = BLOCK - len(plain) % BLOCK
    secret = base64.b64decode(f"{key}=")
    writing = Cipher(AES(secret), CBC(secret[:16])).encryptor()
    return base64.b64encode(writing.update(plain + bytes([padding]) * padding) + writing.finalize()).decode()


def _posted(http: httpx.Client, app_id: str, encrypted: str, token: str) -> httpx.Response | None:
    timestamp, nonce = str(int(time.time())), secrets.token_hex(5)
    asked = {"timestamp": timestamp, "nonce": nonce, "encrypt_type": "aes"}
    asked["signature"] = signature(token, timestamp, nonce)
    asked["msg_signature"] = signature(token, timestamp, nonce, encrypted)
    body = {"ToUserName": "gh_sandbox", "Encrypt": encrypted}
    try:
        return http.post(f"http://127.0.0.1:{settings.PORT}/callbacks/wechat/{app_id}", params=asked, json=body)
    except httpx.HTTPError:
        return None


def _settlement(held: Shipping, trade: Trade) -> dict:
    released = int(held.settled_at.timestamp())
    return {
        "MsgType": "event",
        "Event": "trade_manage_order_settlement",
        "CreateTime": released,
        "transaction_id": held.transaction_id,
        "merchant_id": trade.account.mchid,
        "sub_merchant_id": "",
        "merchant_trade_no": trade.out_trade_no,
        "pay_time": int(trade.success_at.timestamp()),
        "shipped_time": released,
        "confirm_receive_method": 2,
        "confirm_receive_time": released,
        "settlement_time": released,
    }

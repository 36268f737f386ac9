"""Payments that succeed, and the notifications WeChat Pay sends of them: encrypted, signed, any number of times."""

import base64
import json
import secrets
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone
from urllib.parse import urlsplit
from uuid import uuid4

import httpx
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings
from django.db import transaction

from config.sandbox import faults, waiting
from config.sandbox.models import PayAccount, Trade
from config.sandbox.stand_ins import signing
from sync import clock
from sync.ids import request_id

SHANGHAI = timezone(timedelta(hours=8))
PATIENCE = 5.0  # seconds WeChat waits for an answer
AT_ONCE = 50
STATES = {Trade.State.SUCCESS: "支付成功", Trade.State.NOTPAY: "订单未支付", Trade.State.CLOSED: "订单已关闭"}


class UnknownTrade(Exception):
    """Nobody opened this payment at WeChat Pay."""


def succeed(out_trade_no: str, *, amount_fen: int | None, times: int) -> list[int | None]:
    """Let the payer pay, and tell the merchant `times` times at once. Raises UnknownTrade.

    `amount_fen` pays another amount than was asked. The answer to each copy is its status; None: lost, or no answer.
    """
    trade = _paid(out_trade_no, amount_fen)
    return deliver("payment", trade.account, trade.notify_url, notification(trade), times)


def deliver(what: str, account: PayAccount, notify_url: str, body: bytes, times: int) -> list[int | None]:
    """Send a notification `times` times at once; the faults are those of `what`: payment or refund."""
    url = _address(notify_url)
    copies = [copy for _ in range(times) for copy in _copies(what, account, body)]
    waits = [faults.up_to(f"delay_{what}_notifications") for _copy in copies]
    waiting.let_go()

    def send(headers: dict[str, str] | None, wait: float) -> int | None:
        waiting.pause(wait)
        return headers and _post(http, url, body, headers)

    with (
        httpx.Client(timeout=PATIENCE, trust_env=False) as http,
        ThreadPoolExecutor(min(max(len(copies), 1), AT_ONCE)) as pool,
    ):
        return list(pool.map(send, copies, waits))


def _copies(what: str, account: PayAccount, body: bytes) -> Iterator[dict[str, str] | None]:
    """The headers of what is sent for one notification: none when it is lost, twice when it is doubled."""
    if faults.strikes(f"lose_{what}_notifications") or faults.strikes("wechat_pay_down"):
        yield None
        return
    for _copy in range(2 if faults.strikes(f"duplicate_{what}_notifications") else 1):
        headers = _signed(account, body)
        if faults.strikes(f"missign_{what}_notifications"):
            headers["Wechatpay-Signature"] = headers["Wechatpay-Signature"][::-1].lstrip("=") + "=="
        yield headers


@transaction.atomic
def _paid(out_trade_no: str, amount_fen: int | None) -> Trade:
    trade = (
        Trade.objects.select_for_update(of=["self"]).select_related("account").filter(out_trade_no=out_trade_no).first()
    )
    if trade is None:
        raise UnknownTrade(out_trade_no)
    trade.transaction_id = trade.transaction_id or f"42{secrets.randbelow(10**26):026d}"
    trade.success_at = trade.success_at or clock.now()
    trade.state, trade.paid_fen = Trade.State.SUCCESS, amount_fen or trade.amount_fen
    trade.save(update_fields=["transaction_id", "success_at", "state", "paid_fen"])
    return trade


def as_transaction(trade: Trade) -> dict:
    """A payment order as WeChat Pay shows it, in queries and inside notifications."""
    shown = {
        "mchid": trade.account.mchid,
        "appid": trade.app_id,
        "out_trade_no": trade.out_trade_no,
        "trade_type": trade.trade_type,
        "trade_state": trade.state,
        "trade_state_desc": STATES[trade.state],
    }
    if trade.state != Trade.State.SUCCESS:
        return shown
    money = {"total": trade.paid_fen, "payer_total": trade.paid_fen, "currency": "CNY", "payer_currency": "CNY"}
    payer = {"openid": trade.payer or f"oPayer{trade.transaction_id[-20:]}"}
    paid = {"transaction_id": trade.transaction_id, "bank_type": "OTHERS", "attach": ""}
    return shown | paid | {"success_time": moment(trade.success_at), "payer": payer, "amount": money}


def notification(trade: Trade) -> bytes:
    """The body of a notification of a payment."""
    return sealed(trade.account, "transaction", "TRANSACTION.SUCCESS", "支付成功", as_transaction(trade))


def sealed(account: PayAccount, kind: str, event: str, summary: str, told: dict) -> bytes:
    """The body of a notification: what it tells under AES-256-GCM with the merchant's APIv3 key."""
    nonce, bound_to = secrets.token_hex(6), kind
    plain = json.dumps(told, ensure_ascii=False).encode()
    ciphertext = AESGCM(account.api_key.encode()).encrypt(nonce.encode(), plain, bound_to.encode())
    resource = {
        "original_type": kind,
        "algorithm": "AEAD_AES_256_GCM",
        "ciphertext": base64.b64encode(ciphertext).decode(),
        "associated_data": bound_to,
        "nonce": nonce,
    }
    notice = {
        "id": str(uuid4()),
        "create_time": moment(datetime.now(UTC)),
        "resource_type": "encrypt-resource",
        "event_type": event,
        "summary": summary,
        "resource": resource,
    }
    return json.dumps(notice, ensure_ascii=False).encode()


def moment(time: datetime) -> str:
    """A time as WeChat Pay writes it."""
    return time.astimezone(SHANGHAI).isoformat(timespec="seconds")


def _address(notify_url: str) -> str:
    """The merchant's notify_url; on this machine the hub is reached directly, whatever stands before it."""
    return f"http://127.0.0.1:{settings.PORT}{urlsplit(notify_url).path}"


def _signed(account: PayAccount, body: bytes) -> dict[str, str]:
    named = {"Content-Type": "application/json", "Accept": "*/*", "X-Request-ID": request_id.get()}
    return signing.headers(account, body) | named


def _post(http: httpx.Client, url: str, body: bytes, headers: dict[str, str]) -> int | None:
    try:
        return http.post(url, content=body, headers=headers).status_code
    except httpx.HTTPError:
        return None

"""Refunds at WeChat Pay: once per number, never above what was paid, under way until the sandbox says how they end."""

import json
import secrets

from django.db import transaction
from django.db.models import Sum
from django.http import HttpRequest, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_GET, require_POST

from config.sandbox import faults
from config.sandbox.models import PayAccount, Trade, TradeRefund
from config.sandbox.stand_ins import notifying
from config.sandbox.stand_ins.wechat_pay import Refusal, read_json, signed
from sync import clock

State = TradeRefund.State
ENDS = {"succeed": State.SUCCESS, "abnormal": State.ABNORMAL, "close": State.CLOSED}
SUMMARIES = {State.SUCCESS: "退款成功", State.ABNORMAL: "退款异常", State.CLOSED: "退款关闭"}


@require_POST
@signed
def create(request: HttpRequest, account: PayAccount) -> dict:
    """Give money of a paid order back. The same again is the same refund; other terms under its number are refused."""
    asked = read_json(request)
    number, amount = asked.get("out_refund_no"), asked.get("amount")
    fen = amount.get("refund") if isinstance(amount, dict) else None
    if not (isinstance(number, str) and 1 <= len(number) <= 64 and type(fen) is int and fen > 0):
        raise Refusal("PARAM_ERROR")
    if amount.get("currency") != "CNY" or "?" in str(asked.get("notify_url", "")):
        raise Refusal("PARAM_ERROR")
    with transaction.atomic():
        trade = _paid_trade(account, asked)
        known = account.refunds.select_related("trade__account").filter(out_refund_no=number).first()
        return as_refund(_same(known, trade, fen) if known else _new(trade, asked, fen))


@require_GET
@signed
def query(request: HttpRequest, account: PayAccount, number: str) -> dict:
    """What became of a refund, by the merchant's number."""
    refund = account.refunds.select_related("trade__account").filter(out_refund_no=number).first()
    if refund is None:
        raise Refusal("RESOURCE_NOT_EXISTS")
    return as_refund(refund)


@csrf_exempt
@require_POST
def end(request: HttpRequest, number: str, word: str) -> JsonResponse:
    """Let a refund end like this, and notify; what was paid back stays so. 404 for a refund that nobody asked for."""
    times = json.loads(request.body)["times"]
    refund = _ended(number, ENDS[word])
    if refund is None:
        return JsonResponse({}, status=404)
    body = notification(refund, ENDS[word])
    statuses = notifying.deliver("refund", refund.account, refund.notify_url, body, times)
    delivered = sum(status is not None and 200 <= status < 300 for status in statuses)
    return JsonResponse({"delivered": delivered, "statuses": statuses})


def notification(refund: TradeRefund, state: str) -> bytes:
    """The body of a notification of a refund."""
    told = as_refund(refund) | {"mchid": refund.account.mchid, "refund_status": state}
    del told["status"], told["create_time"]
    return notifying.sealed(refund.account, "refund", f"REFUND.{state}", SUMMARIES[state], told)


def as_refund(refund: TradeRefund) -> dict:
    """A refund as WeChat Pay shows it."""
    trade = refund.trade
    shown = {
        "refund_id": refund.refund_id,
        "out_refund_no": refund.out_refund_no,
        "transaction_id": trade.transaction_id,
        "out_trade_no": trade.out_trade_no,
        "channel": "ORIGINAL",
        "user_received_account": "支付用户零钱",
        "create_time": notifying.moment(refund.created_at),
        "status": refund.state,
        "funds_account": "AVAILABLE",
        "amount": {
            "total": trade.paid_fen,
            "refund": refund.amount_fen,
            "payer_total": trade.paid_fen,
            "payer_refund": refund.amount_fen,
            "settlement_refund": refund.amount_fen,
            "settlement_total": trade.paid_fen,
            "discount_refund": 0,
            "currency": "CNY",
        },
    }
    return shown | ({"success_time": notifying.moment(refund.success_at)} if refund.success_at else {})


def _paid_trade(account: PayAccount, asked: dict) -> Trade:
    """The paid order that is meant, locked."""
    names = {name: asked[name] for name in ("transaction_id", "out_trade_no") if asked.get(name)}
    paid = account.trades.select_for_update(of=["self"]).select_related("account").filter(state=Trade.State.SUCCESS)
    trade = paid.filter(**names).first() if names else None
    if trade is None:
        raise Refusal("RESOURCE_NOT_EXISTS")
    if asked["amount"].get("total") != trade.paid_fen:
        raise Refusal("INVALID_REQUEST")
    return trade


def _same(known: TradeRefund, trade: Trade, fen: int) -> TradeRefund:
    if (known.trade_id, known.amount_fen) != (trade.pk, fen):
        raise Refusal("INVALID_REQUEST")
    return known


def _new(trade: Trade, asked: dict, fen: int) -> TradeRefund:
    live = trade.refunds.exclude(state=State.CLOSED)
    if live.aggregate(fen=Sum("amount_fen", default=0))["fen"] + fen > trade.paid_fen:
        raise Refusal("INVALID_REQUEST")
    if faults.strikes("refund_not_enough"):
        raise Refusal("NOT_ENOUGH")
    made = TradeRefund.objects.create(
        trade=trade,
        account=trade.account,
        out_refund_no=asked["out_refund_no"],
        refund_id=f"50{secrets.randbelow(10**26):026d}",
        amount_fen=fen,
        notify_url=str(asked.get("notify_url") or trade.notify_url)[:300],
    )
    made.refresh_from_db(fields=["created_at"])
    return made


@transaction.atomic
def _ended(number: str, state: str) -> TradeRefund | None:
    found = TradeRefund.objects.select_for_update(of=["self"]).select_related("trade__account", "account")
    refund = found.filter(out_refund_no=number).first()
    if refund and refund.state not in (State.SUCCESS, State.CLOSED):
        refund.state, refund.success_at = state, clock.now() if state == State.SUCCESS else None
        refund.save(update_fields=["state", "success_at"])
    return refund

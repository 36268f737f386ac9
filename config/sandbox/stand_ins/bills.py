"""The trade bill of a day, as WeChat Pay writes it: every value begins with a backtick, the sums stand at the end."""

import hashlib
from datetime import date, datetime, time, timedelta

from config.sandbox.models import PayAccount, Trade
from config.sandbox.stand_ins.notifying import SHANGHAI

COLUMNS = (
    "交易时间,公众账号ID,商户号,特约商户号,设备号,微信订单号,商户订单号,用户标识,交易类型,交易状态,付款银行,货币种类,应结订单金额,"
    "代金券金额,微信退款单号,商户退款单号,退款金额,充值券退款金额,退款类型,退款状态,商品名称,商户数据包,手续费,费率,订单金额,"
    "申请退款金额,费率备注"
)
SUMS = "总交易单数,应结订单总金额,退款总金额,充值券退款总金额,手续费总金额,订单总金额,申请退款总金额"
FEE_PER_MILLE = 6


def bill(account: PayAccount, day: date) -> bytes | None:
    """The bill of a day of Shanghai; None for a day without trades."""
    since = datetime.combine(day, time.min, SHANGHAI)
    trades = account.trades.filter(success_at__gte=since, success_at__lt=since + timedelta(days=1)).order_by(
        "success_at"
    )
    lines = [_line(account, trade) for trade in trades]
    if not lines:
        return None
    paid = sum(trade.paid_fen for trade in trades)
    fees = sum(_fee(trade.paid_fen) for trade in trades)
    sums = [len(lines), _yuan(paid), "0.00", "0.00", _fee_text(fees), _yuan(paid), "0.00"]
    return ("\ufeff" + "\r\n".join([COLUMNS, *lines, SUMS, _values(sums), ""])).encode()


def digest(content: bytes) -> str:
    """SHA-1, as WeChat Pay tells it of a file."""
    return hashlib.sha1(content, usedforsecurity=False).hexdigest()


def _line(account: PayAccount, trade: Trade) -> str:
    paid = _yuan(trade.paid_fen)
    when = trade.success_at.astimezone(SHANGHAI).strftime("%Y-%m-%d %H:%M:%S")
    payer = trade.payer or "oPayer"
    whose = [when, trade.app_id, account.mchid, "0", "", trade.transaction_id, trade.out_trade_no, payer]
    money = [trade.trade_type, "SUCCESS", "OTHERS", "CNY", paid, "0.00"]
    refund = ["0", "0", "0.00", "0.00", "", ""]
    return _values(
        [*whose, *money, *refund, "商品,一件", "", _fee_text(_fee(trade.paid_fen)), "0.60%", paid, "0.00", ""]
    )


def _values(values: list) -> str:
    return ",".join(f"`{value}" for value in values)


def _fee(fen: int) -> int:
    """In thousandths of a fen."""
    return fen * FEE_PER_MILLE


def _yuan(fen: int) -> str:
    return f"{fen // 100}.{fen % 100:02d}"


def _fee_text(millifen: int) -> str:
    return f"{millifen // 100_000}.{millifen % 100_000:05d}"

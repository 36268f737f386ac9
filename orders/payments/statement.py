"""WeChat Pay's trade bill: CSV whose values each begin with a backtick, with a summary as its last two lines.

Read as a stream: one line in memory at a time. Nothing of the payer, the goods or the data package is taken over.
"""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import BinaryIO
from zoneinfo import ZoneInfo

SHANGHAI = ZoneInfo("Asia/Shanghai")
FIRST, TOTALS = "交易时间", "总交易单数"
BOM = b"\xef\xbb\xbf"
LONGEST = 8_192  # bytes of a line
TEXTS = {
    "app_id": ("公众账号ID", 64),
    "transaction_id": ("微信订单号", 64),
    "out_trade_no": ("商户订单号", 64),
    "trade_type": ("交易类型", 32),
    "trade_state": ("交易状态", 32),
    "currency": ("货币种类", 16),
    "refund_id": ("微信退款单号", 64),
    "out_refund_no": ("商户退款单号", 64),
    "refund_type": ("退款类型", 32),
    "refund_state": ("退款状态", 32),
    "rate": ("费率", 16),
}
NEEDED = {"transaction_id", "trade_state"}
AMOUNTS = {
    "settled_fen": "应结订单金额",
    "ordered_fen": "订单金额",
    "coupon_fen": "代金券金额",
    "refunded_fen": "退款金额",
    "refund_coupon_fen": "充值券退款金额",
    "refund_asked_fen": "申请退款金额",
}
FEE = "手续费"
TITLES = {"微信订单号", "商户订单号", "交易状态", "应结订单金额", "退款金额", "手续费", "订单金额"}
NONE = "0"  # in place of a number of a refund where there is none


class Malformed(Exception):
    """The bill is not what a bill looks like; the text says where, and nothing that stands there."""


class DoesNotAddUp(Exception):
    """The lines are not what the summary says; the text names the sums that differ."""


@dataclass
class Totals:
    """What a bill adds up to; fees in thousandths of a fen."""

    trades: int = 0
    settled_fen: int = 0
    refunded_fen: int = 0
    fee_millifen: int = 0
    ordered_fen: int = 0

    def add(self, line: dict) -> None:
        self.trades += 1
        for name in ("settled_fen", "refunded_fen", "fee_millifen", "ordered_fen"):
            setattr(self, name, getattr(self, name) + line[name])


SUMMED = {
    "trades": TOTALS,
    "settled_fen": "应结订单总金额",
    "refunded_fen": "退款总金额",
    "fee_millifen": "手续费总金额",
    "ordered_fen": "订单总金额",
}


class Statement:
    """A bill being read: iterate over its lines once, then `totals` is what its summary says of them.

    Raises Malformed, DoesNotAddUp, both while iterating.
    """

    def __init__(self, file: BinaryIO):
        self.totals = Totals()
        self._rows = _rows(file)

    def __iter__(self) -> Iterator[dict]:
        head = self._next()
        if not head or head[0] != FIRST:
            raise Malformed("no header")
        if missing := sorted(TITLES - set(head)):
            raise Malformed(f"no {', '.join(missing)}")
        found = Totals()
        for row in self._rows:
            if row[0] == TOTALS:
                self._sum_up(row, found)
                return
            line = _line(dict(zip(head, row, strict=False)), found.trades + 1)
            found.add(line)
            yield line
        raise Malformed("no summary")

    def _sum_up(self, head: list[str], found: Totals) -> None:
        told = dict(zip(head, self._next(), strict=False))
        self.totals = Totals(trades=_whole(told.get(TOTALS, "")))
        for name in ("settled_fen", "refunded_fen", "ordered_fen"):
            setattr(self.totals, name, _scaled(told.get(SUMMED[name]), 100, "summary"))
        self.totals.fee_millifen = _scaled(told.get(SUMMED["fee_millifen"]), 100_000, "summary")
        pairs = {each.name: (getattr(found, each.name), getattr(self.totals, each.name)) for each in fields(Totals)}
        if wrong := [f"{name} {ours}≠{theirs}" for name, (ours, theirs) in pairs.items() if ours != theirs]:
            raise DoesNotAddUp(", ".join(wrong))

    def _next(self) -> list[str]:
        return next(self._rows, [])


def _rows(file: BinaryIO) -> Iterator[list[str]]:
    """The lines' values. UTF-8, with a mark or without, or GBK: whichever the header is written in."""
    encoding = None
    while raw := file.readline(LONGEST):
        if encoding is None:
            raw = raw.removeprefix(BOM)
            encoding = "utf-8" if raw.startswith(FIRST.encode()) else "gb18030"
        try:
            line = raw.decode(encoding).strip()
        except UnicodeDecodeError as error:
            raise Malformed("neither UTF-8 nor GBK") from error
        if line:
            yield _values(line)


def _values(line: str) -> list[str]:
    """Values begin with a backtick and are not quoted: a comma within one does not end it. Headings have none."""
    parts = line.removeprefix("`").split(",`") if line.startswith("`") else line.split(",")
    return [part.strip() for part in parts]


def _line(row: dict[str, str], number: int) -> dict:
    where = f"line {number}"
    line = {"position": number, "traded_at": _time(row.get(FIRST, ""), where)}
    for name, (title, most) in TEXTS.items():
        line[name] = "" if (found := row.get(title, "")) == NONE else found
        if len(line[name]) > most or (name in NEEDED and not line[name]):
            raise Malformed(f"{where}: {title}")
    for name, title in AMOUNTS.items():
        line[name] = _scaled(row.get(title), 100, where)
    line["fee_millifen"] = _scaled(row.get(FEE), 100_000, where)
    return line


def _scaled(text: str | None, by: int, where: str) -> int:
    """An amount in yuan as a whole number of its `by`-th parts. What is not told is nothing."""
    try:
        amount = Decimal(text or "0") * by
        if not amount.is_finite() or amount != amount.to_integral_value() or abs(amount) >= 2**62:
            raise Malformed(f"{where}: an amount")
    except InvalidOperation as error:
        raise Malformed(f"{where}: an amount") from error
    return int(amount)


def _whole(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 9):
        raise Malformed("summary: the number of trades")
    return int(text)


def _time(text: str, where: str) -> datetime:
    try:
        return datetime.strptime(text, "%Y-%m-%d %H:%M:%S").replace(tzinfo=SHANGHAI)
    except ValueError as error:
        raise Malformed(f"{where}: {FIRST}") from error

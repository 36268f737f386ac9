"""WeChat Pay's daily bill: read as it is written, kept once, whole or not at all."""

import hashlib
from datetime import UTC, date, datetime, timedelta
from io import BytesIO

import pytest

from config.sandbox import faults
from config.sandbox.models import Trade
from config.sandbox.stand_ins import bills, notifying
from orders import tasks
from orders.models import Bill, BillLine
from orders.payments import billing, statement
from orders.payments.statement import SHANGHAI, DoesNotAddUp, Malformed, Statement
from orders.payments.wechat_pay import NATIVE, WechatPay
from orders.services import billing as acts
from sync.models import Measure
from tests import make
from tests.config import make_sandbox
from tests.config.sandbox_servers import stand_ins  # noqa: F401 - a fixture
from tests.config.test_sandbox_wechat_pay import opening

HEAD = bills.COLUMNS
PAID = (
    "`2026-11-21 12:00:01,`wx1,`1900000001,`0,`,`4200000001,`0193aaaa,`oUpF8uMuAJO,`JSAPI,`SUCCESS,`OTHERS,`CNY,"
    "`129.00,`0.00,`0,`0,`0.00,`0.00,`,`,`茶,一件,`,`0.77400,`0.60%,`129.00,`0.00,`"
)
REFUNDED = (
    "`2026-11-21 13:00:01,`wx1,`1900000001,`0,`,`4200000001,`0193aaaa,`oUpF8uMuAJO,`JSAPI,`REFUND,`OTHERS,`CNY,`0.00,"
    "`0.00,`5030000001,`0193bbbb,`29.00,`0.00,`ORIGINAL,`SUCCESS,`茶,`,`-0.17400,`0.60%,`0.00,`29.00,`"
)
SUMS = "`2,`129.00,`29.00,`0.00,`0.60000,`129.00,`29.00"
DAY = date(2026, 11, 21)


def written(*lines, head=HEAD, sums=SUMS, encoding="utf-8-sig", end="\r\n") -> bytes:
    return end.join([head, *(lines or (PAID, REFUNDED)), bills.SUMS, sums, ""]).encode(encoding)


def read(content: bytes) -> list[dict]:
    return list(Statement(BytesIO(content)))


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-8", "gbk"])
@pytest.mark.parametrize("end", ["\r\n", "\n"])
def test_a_bill_is_read_whatever_it_is_written_in(encoding, end):
    whole = Statement(BytesIO(written(encoding=encoding, end=end)))
    paid, refunded = whole
    assert paid == {
        "position": 1,
        "traded_at": datetime(2026, 11, 21, 12, 0, 1, tzinfo=SHANGHAI),
        "app_id": "wx1",
        "transaction_id": "4200000001",
        "out_trade_no": "0193aaaa",
        "trade_type": "JSAPI",
        "trade_state": "SUCCESS",
        "currency": "CNY",
        "refund_id": "",
        "out_refund_no": "",
        "refund_type": "",
        "refund_state": "",
        "rate": "0.60%",
        "settled_fen": 12_900,
        "ordered_fen": 12_900,
        "coupon_fen": 0,
        "refunded_fen": 0,
        "refund_coupon_fen": 0,
        "refund_asked_fen": 0,
        "fee_millifen": 77_400,
    }
    assert (refunded["refund_id"], refunded["refunded_fen"], refunded["fee_millifen"]) == ("5030000001", 2_900, -17_400)
    assert whole.totals == statement.Totals(2, 12_900, 2_900, 60_000, 12_900)


def test_columns_may_stand_in_another_order_and_be_more():
    head = ",".join(["交易时间", "新列", *HEAD.split(",")[1:]])
    more = PAID.replace("`wx1", "`new,`wx1"), REFUNDED.replace("`wx1", "`new,`wx1")
    assert [line["app_id"] for line in read(written(*more, head=head))] == ["wx1", "wx1"]


@pytest.mark.parametrize(
    "sums",
    [
        SUMS.replace("`2", "`3"),
        SUMS.replace("129.00", "129.01", 1),
        SUMS.replace("29.00", "28.00"),
        SUMS.replace("0.60000", "0.60001"),
    ],
)
def test_what_does_not_add_up_is_no_bill(sums):
    with pytest.raises(DoesNotAddUp):
        read(written(sums=sums))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"junk",
        written(sums=""),
        written()[:400],
        written().split(bills.SUMS.encode())[0],
        written(head=HEAD.replace("应结订单金额", "别的")),
        written(PAID.replace("129.00", "129.001")),
        written(PAID.replace("129.00", "NaN")),
        written(PAID.replace("129.00", "1e400")),
        written(PAID.replace("129.00", "12 900")),
        written(PAID.replace("2026-11-21 12:00:01", "yesterday")),
        written(PAID.replace("`4200000001", "`" + "4" * 65)),
        written(PAID.replace("`4200000001", "`")),
        written(sums=SUMS.replace("`2", "`٢")),
        HEAD.encode() + b"\r\n`\xff\xfe",
    ],
)
def test_what_is_malformed_is_no_bill(content):
    with pytest.raises(Malformed):
        read(content)


pytestmark = pytest.mark.django_db


@pytest.fixture
def merchant(stand_ins):  # noqa: F811 - the fixture
    return make_sandbox.merchant()


def sold(merchant, *amounts, day=DAY) -> None:
    """Trades of a day at WeChat Pay."""
    for number, fen in enumerate(amounts):
        asked = opening(amount_fen=fen)
        WechatPay(merchant).open(NATIVE, asked)
        notifying._paid(asked.out_trade_no, None)
        at = datetime.combine(day, datetime.min.time(), SHANGHAI) + timedelta(hours=number)
        Trade.objects.filter(out_trade_no=asked.out_trade_no).update(success_at=at)


def at(hour: int, minute: int = 0, day=22) -> datetime:
    return datetime(2026, 11, day, hour, minute, tzinfo=SHANGHAI).astimezone(UTC)


def due_again() -> None:
    Bill.objects.filter(next_at__isnull=False).update(next_at=make.NOON)


def test_the_bill_of_yesterday_is_there_from_ten_oclock(merchant):
    sold(merchant, 12_900, 1)
    billing.fetch_due(at(9, 59))
    assert not Bill.objects.filter(billed_on=DAY).exists()
    billing.fetch_due(at(10))
    bill = Bill.objects.get(billed_on=DAY)
    assert (bill.state, bill.trades, bill.settled_fen, bill.ordered_fen, bill.refunded_fen) == (
        "kept", 2, 12_901, 12_901, 0
    )  # fmt: skip
    assert bill.fee_millifen == 12_901 * 6
    assert [line.settled_fen for line in bill.lines.order_by("position")] == [12_900, 1]
    assert set(bill.lines.values_list("transaction_id")) == set(Trade.objects.values_list("transaction_id"))
    assert bill.digest == hashlib.sha1(bills.bill(merchant_account(), DAY), usedforsecurity=False).hexdigest()


def merchant_account():
    return Trade.objects.select_related("account").first().account


def test_of_the_payer_nothing_is_kept(merchant):
    sold(merchant, 12_900)
    Trade.objects.get()
    billing.fetch_due(at(10))
    assert "oPayer" not in str(list(BillLine.objects.values()))


def test_a_bill_is_kept_once(merchant):
    sold(merchant, 12_900)
    billing.fetch_due(at(10))
    before = make.snapshot()
    bill = Bill.objects.get(billed_on=DAY)
    acts.keep_bill(bill=bill.pk, lines=Statement(BytesIO(written())), digest="0")
    acts.postpone_bill(bill=bill.pk, problem="late")
    assert billing.fetch_due(at(10)) == 0
    assert {table: rows for table, rows in make.snapshot().items() if table != "sync_measure"} == {
        table: rows for table, rows in before.items() if table != "sync_measure"
    }


def test_what_is_not_there_yet_is_asked_for_again_for_three_days(merchant):
    billing.fetch_due(at(10))
    bill = Bill.objects.get(billed_on=DAY)
    assert (bill.state, bill.problem, bill.tries) == ("waiting", "NO_STATEMENT_EXIST", 1)
    assert billing.fetch_due(at(10)) == 0
    sold(merchant, 100)
    due_again()
    billing.fetch_due(at(11))
    bill.refresh_from_db()
    assert (bill.state, bill.trades, bill.problem) == ("kept", 1, "")
    Bill.objects.filter(next_at__isnull=False).update(tries=acts.PATIENCE - 1)
    due_again()
    billing.fetch_due(at(11))
    assert set(Bill.objects.values_list("state", flat=True)) == {"kept", "absent"}


def test_while_wechat_pay_is_away_the_bill_waits_and_that_is_measured(merchant):
    sold(merchant, 100)
    faults.put({"wechat_pay_down": 1})
    for _turn in range(3):
        billing.fetch_due(at(10))
        due_again()
    assert Bill.objects.get(billed_on=DAY).state == "waiting"
    assert Measure.objects.get(name="bills.missing").value > 0
    faults.clear()
    tasks.fetch_bills()
    assert not BillLine.objects.exclude(bill__state="kept").exists()


def test_a_bill_that_does_not_add_up_keeps_no_line_and_is_asked_for_again(wechat):
    wechat.bill = written(sums=SUMS.replace("`2", "`9"))
    billing.fetch_due(at(10))
    bill = Bill.objects.get(billed_on=DAY)
    assert (bill.state, bill.trades, bill.kept_at) == ("wrong", 0, None)
    assert "trades 2≠9" in bill.problem
    assert not BillLine.objects.exists()
    wechat.bill = written()
    due_again()
    billing.fetch_due(at(11))
    assert Bill.objects.get(billed_on=DAY).state == "kept"


@pytest.mark.parametrize(
    "changed",
    [
        {"hash_value": "0" * 40},
        {"hash_type": "MD5"},
        {"hash_value": None},
        {"download_url": "https://evil.example/v3/billdownload/file?token=1"},
        {"download_url": "http://127.0.0.1:1/v3/billdownload/file"},
        {"download_url": None},
    ],
)
def test_a_file_that_is_not_proven_is_not_read(wechat, changed):
    wechat.bill, wechat.bill_told = written(), changed
    billing.fetch_due(at(10))
    assert set(Bill.objects.values_list("state", flat=True)) == {"waiting"}
    assert not BillLine.objects.exists()
    assert ("GET", "/v3/billdownload/file") not in wechat.calls or "hash_value" in changed


def test_a_large_bill_is_read_as_a_stream():
    lines = [PAID] * 20_000
    sums = f"`20000,`{129 * 20_000}.00,`0.00,`0.00,`{15_480}.00000,`{129 * 20_000}.00,`0.00"
    found = Statement(BytesIO(written(*lines, sums=sums)))
    assert sum(1 for _line in found) == found.totals.trades == 20_000

"""What WeChat Pay tells of a transaction, compared with what we asked for and applied once."""

from dataclasses import dataclass
from datetime import datetime

from django.utils.dateparse import parse_datetime

from orders import services
from orders.models import Merchant, Payment, PaymentCase
from orders.payments import wechat_pay
from orders.rules import WECHAT_PAY
from orders.services.paying import CURRENCY
from sync.act import Actor

PAID = {"SUCCESS", "REFUND"}  # a refunded payment was paid once


class Malformed(Exception):
    """A transaction that lacks what every paid transaction has."""

    def __init__(self, *fields: str):
        super().__init__(", ".join(fields))
        self.fields = fields


@dataclass(frozen=True)
class Transaction:
    """A paid transaction as WeChat Pay tells it."""

    out_trade_no: str
    transaction_id: str
    mchid: str
    app_id: str
    amount_fen: int
    currency: str
    paid_at: datetime

    @property
    def money(self) -> dict:
        return {"transaction_id": self.transaction_id, "amount_fen": self.amount_fen, "paid_at": self.paid_at}


def is_paid(told: dict) -> bool:
    """Whether money has come in by it. Unknown states are no money yet."""
    return told.get("trade_state") in PAID


def read(told: dict) -> Transaction:
    """The transaction in the words of this house; raises Malformed."""
    amount = told.get("amount")
    amount = amount if isinstance(amount, dict) else {}
    texts = {name: told.get(name) for name in ("out_trade_no", "transaction_id", "mchid", "appid", "success_time")}
    faults = [name for name, value in texts.items() if not (isinstance(value, str) and 0 < len(value) <= 64)]
    total = amount.get("total")
    if isinstance(total, bool) or not isinstance(total, int) or not 0 <= total < 2**62:
        faults.append("amount.total")
    paid_at = moment(texts["success_time"])
    if paid_at is None:
        faults.append("success_time")
    if faults:
        raise Malformed(*sorted(set(faults)))
    return Transaction(
        out_trade_no=texts["out_trade_no"],
        transaction_id=texts["transaction_id"],
        mchid=texts["mchid"],
        app_id=texts["appid"],
        amount_fen=total,
        currency=str(amount.get("currency", CURRENCY)),
        paid_at=paid_at,
    )


def apply(told: dict) -> Payment | PaymentCase:
    """Settle the payment this transaction paid; what is not ours, or not what we asked for, becomes a case.

    Raises Malformed.
    """
    if not is_paid(told):
        raise Malformed("trade_state")
    paid = read(told)
    payment = _ours(paid)
    if payment is None:
        merchant = Merchant.objects.filter(mchid=paid.mchid).first()
        kept = {"provider": WECHAT_PAY, "out_trade_no": paid.out_trade_no, "merchant": merchant} | paid.money
        kept |= {} if paid.currency == CURRENCY else {"amount_fen": 0}
        return services.open_case(PaymentCase.Kind.UNKNOWN_ORDER, by=Actor("provider", WECHAT_PAY), **kept)
    by = Actor("provider", WECHAT_PAY, payment.channel.code)
    return services.mark_paid(payment=payment.pk, by=by, currency=paid.currency, **paid.money)


def _ours(paid: Transaction) -> Payment | None:
    """The payment it is about, when merchant and app are those it was opened with."""
    found = wechat_pay.payment_id(paid.out_trade_no)
    rows = Payment.objects.select_related("order", "channel")
    return rows.filter(pk=found, provider=WECHAT_PAY, merchant__mchid=paid.mchid, app_id=paid.app_id).first()


def moment(text: object) -> datetime | None:
    """A time as WeChat Pay writes it; None for anything else."""
    try:
        time = parse_datetime(text) if isinstance(text, str) else None
    except ValueError:
        return None
    return time if time and time.tzinfo else None

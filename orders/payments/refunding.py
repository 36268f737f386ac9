"""Refunds through WeChat Pay: the committed intention is called for, asked about, and believed when it is ours.

The number over there is the refund's id: calling again with it is no second refund. A call without an answer leaves the
refund `processing`; it is asked about until WeChat Pay says how it ended.
"""

import logging
from datetime import datetime
from functools import partial
from uuid import UUID

from django.conf import settings
from django.db import IntegrityError, connection, transaction
from django.db.models import Q

from orders import services
from orders.models import Refund
from orders.payments import providers, refusals, wechat_pay
from orders.payments.transactions import CURRENCY, Malformed, moment
from orders.services.refunding import CONTRADICTED
from sync import alerts
from sync.act import Actor
from sync.http import Problem
from sync.models import Channel

logger = logging.getLogger(__name__)

State = Refund.State
AT_ONCE = 20
UNKNOWN = {"RESOURCE_NOT_EXISTS", "REFUND_NOT_EXISTS", "REFUNDNOTEXIST", "404"}
STATES = {"SUCCESS": State.DONE, "CLOSED": State.FAILED}  # everything else is under way, or stuck there
QUIET = {"SUCCESS", "PROCESSING"}
# Called at once, asked about after 30 seconds, 1, 5 and 30 minutes, then hourly. Claimed before the call: two never ask
# about one at a time. A call without an answer does not count, but it may have arrived: from then on it is asked about.
CLAIM = """
UPDATE orders_refund SET asks = least(asks + 1, 9999), next_at = clock_timestamp() + CASE asks
    WHEN 0 THEN interval '30 seconds' WHEN 1 THEN interval '30 seconds'
    WHEN 2 THEN interval '4 minutes' WHEN 3 THEN interval '25 minutes' ELSE interval '1 hour' END
WHERE id = ANY (ARRAY(
    SELECT id FROM orders_refund WHERE state = 'processing' AND next_at <= clock_timestamp()
        AND (%(only)s::uuid IS NULL OR id = %(only)s::uuid)
    ORDER BY next_at LIMIT %(most)s FOR NO KEY UPDATE SKIP LOCKED))
RETURNING id
"""
NO_ANSWER = """
UPDATE orders_refund SET asks = greatest(asks - 1, 1), next_at = clock_timestamp() + interval '30 seconds'
WHERE id = %s AND state = 'processing' AND asks > 0
"""


def carry_out(refund: UUID) -> Refund:
    """Call for a refund that is due, and take what WeChat Pay says; the refund as it then is. Not in a transaction.

    Never fails for what WeChat Pay does: what has no answer is asked about later.
    """
    for due in _claimed(only=refund):
        _go_on(due)
    return Refund.objects.prefetch_related("lines").get(pk=refund)


def ask_due() -> int:
    """Call for and ask about every refund whose time has come. Not in a transaction. Returns how many there were.

    Pushes how many are stuck for alerts (`refunds.stuck`).
    """
    due = _claimed()
    for refund in due:
        _go_on(refund)
    alerts.measure("refunds.stuck", Refund.objects.filter(~Q(problem=""), state=State.PROCESSING).count())
    return len(due)


def heard(channel: Channel | None, data: dict, occurred_at: datetime, by: Actor) -> Refund:
    """`wechat_pay.REFUND.*`: the refund that WeChat Pay told, verified and opened. Raises Problem."""
    number = str(data.get("out_refund_no", ""))
    refund = _whole().filter(pk=wechat_pay.payment_id(number)).first()
    if refund is None:
        raise Problem("not_found")
    mchid = data.get("mchid") or by.id.rpartition("/")[2]
    try:
        if refund.merchant is None or mchid != refund.merchant.mchid:
            raise Malformed("mchid")
        return apply(refund, data | {"status": data.get("refund_status")})
    except Malformed as error:
        raise Problem("invalid", errors=[(name, "invalid", "") for name in error.fields]) from error


def apply(refund: Refund, told: dict) -> Refund:
    """Take WeChat Pay's word on a refund, when it is about this one. Raises Malformed."""
    refunded_at = _require_ours(refund, told)
    status = told["status"]
    try:
        kept = services.refund_told(
            refund=refund.pk,
            state=STATES.get(status, State.PROCESSING),
            transaction_id=told["refund_id"],
            refunded_at=refunded_at,
            problem="" if status in QUIET else status[:80],
            by=_actor(refund),
        )
    except (services.TransactionKnown, IntegrityError) as error:  # that number stands for another refund
        raise Malformed("refund_id") from error
    if kept.problem.startswith(CONTRADICTED):
        transaction.on_commit(partial(alerts.measure, "refunds.contradicted", 1), robust=True)
    return kept


def paid_back(refund: Refund) -> int:
    """What the payer gets, in fen: the refund less what was kept for spent points."""
    return refund.amount_fen - refund.deducted_fen


def _claimed(only: UUID | None = None) -> list[Refund]:
    with connection.cursor() as cursor:
        cursor.execute(CLAIM, {"only": only, "most": AT_ONCE})
        due = [row[0] for row in cursor.fetchall()]
    return list(_whole().filter(pk__in=due))


def _whole():
    return Refund.objects.select_related("payment__channel", "merchant", "case__channel", "order__channel")


def _go_on(refund: Refund) -> None:
    """Call for it the first time, ask about it later; keep what stands in its way."""
    try:
        apply(refund, _call(refund) if refund.asks == 1 else _ask(refund))
    except wechat_pay.Unavailable as error:
        logger.warning("Refund %s is asked about again soon: %s", refund.number, error)
        with connection.cursor() as cursor:
            cursor.execute(NO_ANSWER, [refund.pk])
    except wechat_pay.Refused as refused:
        logger.warning("Refund %s was refused: %s", refund.number, refused.code)
        state = State.PROCESSING if refused.code in refusals.PASSING else State.FAILED
        services.refund_told(refund=refund.pk, state=state, problem=refused.code[:80], by=_actor(refund))
    except Malformed as error:
        logger.error("Refund %s is told otherwise: %s", refund.number, error)
        services.refund_told(refund=refund.pk, state=State.PROCESSING, problem="told_otherwise", by=_actor(refund))


def _call(refund: Refund) -> dict:
    asked = {
        "transaction_id": _transaction(refund),
        "out_refund_no": refund.pk.hex,
        "notify_url": f"{settings.PUBLIC_URL}/callbacks/wechat-pay/{refund.merchant.mchid}",
        "amount": {"refund": paid_back(refund), "total": _total(refund), "currency": CURRENCY},
    }
    return providers.of(refund.provider, refund.merchant).refund(asked)


def _ask(refund: Refund) -> dict:
    """What became of it; one that WeChat Pay never heard of is called for again, under the same number."""
    try:
        return providers.of(refund.provider, refund.merchant).refund_query(refund.pk.hex)
    except wechat_pay.Refused as refused:
        if refused.code not in UNKNOWN:
            raise wechat_pay.Unavailable(refused.code) from refused  # asking refused says nothing of the refund
        return _call(refund)


def _require_ours(refund: Refund, told: dict) -> datetime | None:
    """Raise Malformed unless it tells of this refund: numbers and amounts. Returns when it was paid back."""
    amount = told.get("amount") if isinstance(told.get("amount"), dict) else {}
    known = {
        "out_refund_no": refund.pk.hex,
        "out_trade_no": refund.payment.pk.hex if refund.payment and not refund.case else refund.case.out_trade_no,
        "transaction_id": _transaction(refund),
    }
    faults = [name for name, value in known.items() if value and told.get(name, value) != value]
    sums = {
        "amount.refund": (amount.get("refund"), paid_back(refund)),
        "amount.total": (amount.get("total"), _total(refund)),
    }
    faults += [name for name, (said, ours) in sums.items() if type(said) is not int or said != ours]
    if amount.get("currency", CURRENCY) != CURRENCY:
        faults.append("amount.currency")
    faults += [name for name in ("status", "refund_id") if not _is_text(told.get(name))]
    refunded_at = moment(told.get("success_time"))
    if told.get("status") == "SUCCESS" and refunded_at is None:
        faults.append("success_time")
    if faults:
        raise Malformed(*sorted(faults))
    return refunded_at


def _is_text(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= 64


def _transaction(refund: Refund) -> str:
    return refund.case.transaction_id if refund.case else refund.payment.transaction_id


def _total(refund: Refund) -> int:
    return refund.case.amount_fen if refund.case else refund.payment.amount_fen


def _actor(refund: Refund) -> Actor:
    """WeChat Pay, through the channel the money came by."""
    channel = (refund.order and refund.order.channel) or (refund.case and refund.case.channel)
    return Actor("provider", refund.provider, channel.code if channel else "")

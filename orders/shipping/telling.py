"""Telling WeChat of shipping: sent at most once whatever dies on the way, and asked about before anything is repeated.

An upload is claimed with a lease and sent outside any transaction. What WeChat surely did not take is sent again; what
it may have taken is asked about first (get_order). A payment that WeChat says is told is never told again: that would
use up its one correction.
"""

import logging
from datetime import timedelta
from uuid import UUID

from django.db import connection, transaction

from members import wechat
from members.calling import Deadline, NoAnswer
from orders.models import Payment, ShippingUpload
from orders.shipping import answers
from orders.shipping.drafting import LEASE, Call, asked_pairs, kept, prepared, read, with_
from orders.shipping.uploading import State
from sync import alerts, clock
from sync.http import Problem

logger = logging.getLogger(__name__)

UPLOAD, GET_ORDER = "/wxa/sec/order/upload_shipping_info", "/wxa/sec/order/get_order"
AT_ONCE, LONGEST = 50, 5.0
FIRST_PAUSE, LONGEST_PAUSE = timedelta(seconds=30), timedelta(hours=1)
UNSENT, REFUSED = "wechat.uploads_unsent_minutes", "wechat.uploads_refused"

CLAIM = """
UPDATE orders_shippingupload SET next_at = clock_timestamp() + %s WHERE id = (
    SELECT id FROM orders_shippingupload WHERE next_at <= clock_timestamp()
    ORDER BY next_at, id LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED)
RETURNING id
"""
OLDEST = """
SELECT extract(epoch FROM clock_timestamp() - min(u.wanted_at)) / 60
FROM orders_shippingupload u JOIN orders_payment p ON p.id = u.payment_id JOIN orders_order o ON o.id = p.order_id
WHERE o.refund_status <> 'full' AND u.settled_at IS NULL AND u.problem <> 'erased'
    AND (u.state = 'failed' OR (u.state IN ('waiting', 'sending', 'unclear') AND u.next_at IS NOT NULL))
"""


def tell_due() -> int:
    """Send and ask about all that is due, many processes side by side. Not to be called in a transaction. How many."""
    looked_at = 0
    while looked_at < AT_ONCE and (found := _claimed()):
        looked_at += 1
        work(found)
    with connection.cursor() as cursor:
        cursor.execute(OLDEST)
        alerts.measure(UNSENT, float(cursor.fetchone()[0] or 0))
    return looked_at


def work(upload_id: UUID) -> None:
    """Do what is next for one upload that was claimed."""
    upload = read(upload_id)
    if upload.state == State.SENDING:  # whoever sent it died: it may have arrived
        _write(upload, state=State.UNCLEAR, problem="answer_lost")
    if upload.state == State.UNCLEAR:
        ask(upload)
    elif call := prepared(upload_id):
        send(call)


def send(call: Call) -> None:
    """Send one upload that was prepared, and keep what became of it."""
    upload = call.upload
    try:
        wechat.post(upload.payment.channel, UPLOAD, call.body, by=Deadline(LONGEST))
    except wechat.Refused as error:
        _refused(upload, error.errcode)
    except NoAnswer as error:
        _unclear(upload, "answer_lost") if error.may_have_arrived else _again(upload, "no_connection")
    except Problem as error:  # no access token: nothing was sent
        _again(upload, error.code)
    else:
        _told(upload, [*kept(upload)["told"], *asked_pairs(upload)])


def ask(upload: ShippingUpload) -> None:
    """Hear from WeChat what it holds, after an answer was lost. Until it says so nothing is sent."""
    asked = {"transaction_id": upload.payment.transaction_id}
    try:
        said = wechat.post(upload.payment.channel, GET_ORDER, asked, by=Deadline(LONGEST))
    except wechat.Refused as error:
        if error.errcode == answers.UNKNOWN:
            _again(upload, f"wechat {error.errcode}")
        else:
            _later(upload, State.UNCLEAR, f"wechat {error.errcode}")
        return
    except (NoAnswer, Problem) as error:
        _later(upload, State.UNCLEAR, getattr(error, "code", "no_answer"))
        return
    held = answers.read(said)
    if held is None:
        _later(upload, State.UNCLEAR, "no_answer")
    elif answers.is_taken(held, kept(upload)["asked"], is_correction=upload.wants_correction):
        _told(upload, held.pairs)
    elif held.is_finished and not upload.wants_correction:
        _told(upload, held.pairs, is_complete=True, is_corrected=held.is_corrected)
    else:
        _write(upload, body=with_(upload, told=held.pairs))
        _again(upload, upload.problem)


def _claimed() -> UUID | None:
    with connection.cursor() as cursor:
        cursor.execute(CLAIM, [LEASE])
        found = cursor.fetchone()
    return found and found[0]


def _refused(upload: ShippingUpload, errcode: int) -> None:
    why = f"wechat {errcode}"
    if errcode == answers.UNCHANGED:
        _told(upload, [*kept(upload)["told"], *asked_pairs(upload)])
    elif errcode in answers.SURELY_BUSY or (errcode == answers.UNKNOWN and _is_just_paid(upload.payment)):
        _again(upload, why)
    elif errcode in answers.MAY_BE_TOLD and not (upload.wants_correction and errcode == answers.CORRECTION_USED):
        _unclear(upload, why)
    else:
        alerts.measure(REFUSED, 1)
        logger.warning("WeChat does not take the shipping of payment %s: %s", upload.payment_id, why)
        _give_up(upload, why, is_corrected=errcode == answers.CORRECTION_USED)


def _is_just_paid(payment: Payment) -> bool:
    """WeChat may know of a payment a while later than WeChat Pay does."""
    return clock.now() - payment.paid_at < timedelta(hours=1)


def _told(upload: ShippingUpload, pairs: list, *, is_complete: bool = False, is_corrected: bool = False) -> None:
    """WeChat holds it; then it is looked at once more, for what came meanwhile."""
    asked, told = kept(upload)["asked"], asked_pairs(upload) if upload.wants_correction else pairs
    _write(
        upload,
        state=State.SENT,
        body=with_(upload, told=list(dict.fromkeys(map(tuple, told)))),
        is_complete=bool(is_complete or upload.is_complete or asked.get("is_all")),
        is_corrected=upload.is_corrected or upload.wants_correction or is_corrected,
        wants_correction=False,
        sent_digest=bytes.fromhex(asked.get("digest", "")) or None,
        sent_at=clock.now(),
        attempts=0,
        problem="",
        next_at=clock.now(),
    )


def _again(upload: ShippingUpload, why: str) -> None:
    """WeChat surely has not got it: at growing distance, for as long as it takes, for money waits for it."""
    _later(upload, State.WAITING, why)


def _unclear(upload: ShippingUpload, why: str) -> None:
    logger.warning("Whether WeChat took the shipping of payment %s is asked: %s", upload.payment_id, why)
    _later(upload, State.UNCLEAR, why)


def _later(upload: ShippingUpload, state: str, why: str) -> None:
    pause = min(FIRST_PAUSE * 2 ** min(max(upload.attempts - 1, 0), 10), LONGEST_PAUSE)
    more = {"attempts": min(upload.attempts + 1, 30_000)} if upload.state == State.UNCLEAR else {}
    _write(upload, state=state, problem=why, next_at=clock.now() + pause, **more)


def _give_up(upload: ShippingUpload, why: str, *, is_corrected: bool = False) -> None:
    """WeChat refuses: a correction leaves what was told, anything else waits for a person."""
    if upload.wants_correction:
        spent = {"wants_correction": False, "is_corrected": upload.is_corrected or is_corrected}
        _write(upload, state=State.SENT, problem=why, next_at=None, **spent)
    else:
        _write(upload, state=State.FAILED, problem=why, next_at=None)


def _write(upload: ShippingUpload, **fields) -> None:
    """Write what came of a call, unless somebody else holds the lease by now."""
    lease = upload.next_at
    with transaction.atomic():
        held = ShippingUpload.objects.select_for_update(no_key=True).filter(pk=upload.pk, next_at=lease)
        if not held.exists():
            return
        for name, value in fields.items():
            setattr(upload, name, value)
        upload.save(update_fields=list(fields))

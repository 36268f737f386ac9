"""Sending messages to members, by WeChat or as text messages: each at most once, whatever dies on the way.

A message is claimed by one statement, with a lease, and sent outside any transaction. It is tried again only when
WeChat surely did not take it; when nobody can know, because an answer or a process was lost, it has failed, and staff
may send it again.
"""

import logging
from datetime import timedelta
from uuid import UUID

from django.db import connection

from members import services, sms, wechat
from members.calling import NoAnswer
from members.models import MemberNotice, NoticeConsent
from sync.clock import Clock
from sync.http import Problem

logger = logging.getLogger(__name__)

AT_ONCE = 100
FIRST_PAUSE, TRIES = timedelta(seconds=30), 8
KEPT = timedelta(days=90)
SENDING, LOST = "sending", "answer_lost"
DECLINED, BUSY = 43101, {-1, 45009, 45011}  # the person wants no more of them; WeChat wants it later
LONGEST = {"thing": 20, "character_string": 32, "phrase": 5, "name": 10, "letter": 32, "symbol": 5, "number": 32}

# A lease that ran out: whoever held it died, and may have sent the message.
LEFT_BEHIND = """
UPDATE members_membernotice SET state = 'failed', problem = %s
WHERE state = 'waiting' AND problem = %s AND next_at <= clock_timestamp()
"""
CLAIM = """
UPDATE members_membernotice SET attempts = attempts + 1, problem = %s, next_at = clock_timestamp() + interval '1 minute'
WHERE id = (
    SELECT id FROM members_membernotice WHERE state = 'waiting' AND problem <> %s AND next_at <= clock_timestamp()
    ORDER BY next_at, id LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED)
RETURNING id
"""


class Unfit(Exception):
    """A message that can never be sent as it is."""


def send_due() -> int:
    """Send what is waiting, many processes side by side. Not to be called in a transaction. Returns how many."""
    with connection.cursor() as cursor:
        cursor.execute(LEFT_BEHIND, [LOST, SENDING])
    for sent in range(AT_ONCE):
        notice = _claimed()
        if notice is None:
            return sent
        send(notice)
    return AT_ONCE


def drop_old() -> int:
    """Forget messages that were sent or failed long ago. Returns how many."""
    over = MemberNotice.objects.exclude(state=MemberNotice.State.WAITING)
    return over.filter(created_at__lt=Clock() - KEPT).delete()[0]


def _claimed() -> UUID | None:
    with connection.cursor() as cursor:
        cursor.execute(CLAIM, [SENDING, SENDING])
        found = cursor.fetchone()
    return found and found[0]


def send(notice_id: UUID) -> None:
    """Send one message that was claimed, and keep what became of it."""
    notice = MemberNotice.objects.select_related("template__channel", "member").get(pk=notice_id)
    if notice.medium == MemberNotice.Medium.SMS:
        _text(notice)
        return
    try:
        wechat.tell(notice.template.channel, _body(notice))
    except wechat.Refused as error:
        _refused(notice, error.errcode)
    except NoAnswer as error:
        _close(notice, LOST) if error.may_have_arrived else _again(notice)
    except Problem:  # no access token: the message was not even sent
        _again(notice)
    except Unfit as error:
        _close(notice, str(error))
    else:
        _sent(notice)


def _text(notice: MemberNotice) -> None:
    """Send one as a text message, to the phone that is the member's now."""
    member = notice.member.merged_into or notice.member
    if member.phone is None:
        _close(notice, "no_phone")
        return
    try:
        sms.tell(phone=member.phone, occasion=notice.occasion, values=notice.values, notice_id=notice.pk)
    except sms.NoTemplate:
        _close(notice, "no_template")
    except Problem as problem:
        lost = isinstance(problem.__cause__, NoAnswer) and problem.__cause__.may_have_arrived
        if lost or problem.code not in {"unavailable", "rate_limited"}:
            _close(notice, LOST if lost else problem.code)
        else:
            _again(notice)
    else:
        _sent(notice)


def _sent(notice: MemberNotice) -> None:
    sent = {"state": MemberNotice.State.SENT, "sent_at": Clock(), "problem": ""}
    MemberNotice.objects.filter(pk=notice.pk).update(**sent)


def _body(notice: MemberNotice) -> dict:
    template = notice.template
    openid = services.openid(notice.member.merged_into_id or notice.member_id, template.channel.app_id)
    if openid is None:
        raise Unfit("no_openid")
    if not isinstance(template.fields, dict):
        raise Unfit("template")
    if missing := sorted(template.fields.keys() - notice.values.keys()):
        raise Unfit(f"no value: {', '.join(missing)}"[:80])
    data = {field: {"value": fitted(field, notice.values[name])} for name, field in template.fields.items()}
    page = {"page": template.page} if template.page else {}
    return {"touser": openid, "template_id": template.template_id, "data": data, "lang": "zh_CN"} | page


def fitted(field: str, value: object) -> str:
    """A text as long as WeChat takes it for this kind of field: thing1, character_string2, …"""
    text, most = str(value), LONGEST.get(field.rstrip("0123456789"), 32)
    return text if len(text) <= most else text[: most - 1] + "…"


def _refused(notice: MemberNotice, errcode: int) -> None:
    if errcode in BUSY:
        _again(notice)
        return
    if errcode == DECLINED:
        NoticeConsent.objects.filter(member=notice.member_id, template=notice.template_id).update(left=0)
    _close(notice, f"wechat {errcode}")


def _again(notice: MemberNotice) -> None:
    """Later, at growing distance, and not for ever."""
    if notice.attempts >= TRIES:
        _close(notice, "gave_up")
        return
    pause = FIRST_PAUSE * 2 ** (notice.attempts - 1)
    MemberNotice.objects.filter(pk=notice.pk).update(problem="", next_at=Clock() + pause)


def _close(notice: MemberNotice, problem: str) -> None:
    logger.warning("Notice %s was not sent: %s", notice.pk, problem)
    MemberNotice.objects.filter(pk=notice.pk).update(state=MemberNotice.State.FAILED, problem=problem)

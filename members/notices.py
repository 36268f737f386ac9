"""WeChat subscribe messages: what a person accepted, and what is waiting to be told them.

One acceptance is one message. What happens elsewhere calls `notify` as a part of its own act; nothing is sent there
(`members/notice_sending.py` does).
"""

from datetime import datetime
from uuid import UUID

from django.db import connection
from django.db.models import F
from django.db.models.functions import Least
from django.utils.timezone import get_default_timezone
from django.utils.translation import gettext_lazy as _

from members.models import MemberNotice, NoticeConsent, NoticeTemplate
from sync.act import act
from sync.clock import Clock
from sync.http import Problem
from sync.models import Channel

MOST = 20  # messages of one template that may be accepted ahead
RESULTS = ["accept", "reject", "ban", "filter"]  # as wx.requestSubscribeMessage tells them

# The acceptance that a message of this occasion may use up, in an app in which the member is known.
CANDIDATE = """
SELECT c.id FROM members_noticeconsent c
JOIN members_noticetemplate t ON t.id = c.template_id AND t.is_active AND t.occasion = %(occasion)s
JOIN sync_channel ch ON ch.id = t.channel_id AND ch.is_active
WHERE c.member_id = %(member)s AND c."left" > 0 AND EXISTS (
    SELECT FROM members_identity i WHERE i.member_id = c.member_id AND i.kind = 'wechat_openid'
    AND i.namespace = ch.app_id AND i.proof = 'verified' AND i.suspended_at IS NULL)
ORDER BY c.updated_at DESC, c.id LIMIT 1 FOR NO KEY UPDATE OF c
"""


def templates_of(channel: Channel, member: UUID) -> list[dict]:
    """What a channel's client may ask its member to accept, and how many messages of each were accepted ahead."""
    rows = NoticeTemplate.objects.filter(channel=channel, is_active=True).order_by("occasion")
    consents = NoticeConsent.objects.filter(member=member, template__in=rows)
    left = dict(consents.values_list("template_id", "left"))
    return [
        {"template_id": row.template_id, "occasion": row.occasion, "title": row.title, "left": left.get(row.id, 0)}
        for row in rows
    ]


@act
def answer(*, member: UUID, channel: Channel, template_id: str, result: str) -> NoticeConsent:
    """Keep what a person answered when the client asked: an acceptance is one message more, up to MOST.

    Raises Problem `invalid` for a template that the channel does not have.
    """
    template = NoticeTemplate.objects.filter(channel=channel, template_id=template_id, is_active=True).first()
    if template is None:
        raise Problem.field("template_id", _("There is no such template"))
    more = 1 if result == "accept" else 0
    NoticeConsent.objects.bulk_create(
        [NoticeConsent(member_id=member, template=template, last_result=result)], ignore_conflicts=True
    )
    mine = NoticeConsent.objects.filter(member=member, template=template)
    mine.update(left=Least(F("left") + more, MOST), last_result=result, updated_at=Clock())
    return mine.get()


@act
def notify(member: UUID, occasion: str, reference: str, values: dict[str, str]) -> MemberNotice | None:
    """Have a member told of something, once per occasion and reference; None when they accepted no message for it.

    Takes one acceptance and sends nothing. `values` are texts by our own names (`NoticeTemplate.fields` says which
    field of WeChat's each one fills); they lie in clear and carry nothing personal.
    """
    with connection.cursor() as cursor:
        cursor.execute(CANDIDATE, {"member": member, "occasion": occasion})
        found = cursor.fetchone()
    told = MemberNotice.objects.filter(member=member, template__occasion=occasion, reference=reference)
    if found is None or told.exists():
        return None
    consent = NoticeConsent.objects.get(pk=found[0])
    NoticeConsent.objects.filter(pk=consent.pk).update(left=F("left") - 1, updated_at=Clock())
    return MemberNotice.objects.create(
        member_id=member, template_id=consent.template_id, reference=reference, values=values
    )


def moment(at: datetime) -> str:
    """A time in Shanghai as WeChat's time fields take it: 2026年11月22日 14:08."""
    return at.astimezone(get_default_timezone()).strftime("%Y年%m月%d日 %H:%M")


@act
def resend(notice: UUID) -> bool:
    """Let a message that failed be tried again, on the acceptance it took. False when it has not failed."""
    failed = MemberNotice.objects.filter(pk=notice, state=MemberNotice.State.FAILED)
    return bool(failed.update(state=MemberNotice.State.WAITING, attempts=0, problem="", next_at=Clock()))

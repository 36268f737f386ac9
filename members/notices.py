"""Messages to members: what a person accepted of WeChat's, and what is waiting to be told them.

One acceptance is one message; where there is none, a text message may take its place. What happens elsewhere calls
`notify` as a part of its own act; nothing is sent there (`members/notice_sending.py` does).
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db import connection
from django.db.models import F
from django.db.models.functions import Least
from django.utils.timezone import get_default_timezone
from django.utils.translation import gettext_lazy as _

from members import sms
from members.models import Identity, Member, MemberNotice, NoticeConsent, NoticeTemplate
from sync import secret
from sync.act import act
from sync.clock import Clock
from sync.http import Problem
from sync.models import Channel

MOST = 20  # messages of one template that may be accepted ahead
REACHED = [Member.Status.ACTIVE, Member.Status.FROZEN]
RESULTS = ["accept", "reject", "ban", "filter"]  # as wx.requestSubscribeMessage tells them

# The acceptance that a message of this occasion may use up, in an app in which the member is known.
CANDIDATE = """
SELECT c.id, c.template_id FROM members_noticeconsent c
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
def notify(
    member: UUID, occasion: str, reference: str, values: dict[str, str], *, by_sms: bool | None = None
) -> MemberNotice | None:
    """Have a member told of something, once per occasion and reference; None when there is no way to.

    Takes one acceptance and sends nothing. Where nothing was accepted it becomes a text message, if `by_sms` says so
    (by default `settings.NOTICES_BY_SMS`), to the member's own phone, a few a day. `values` are texts by our own names
    (`NoticeTemplate.fields` says which field of WeChat's each one fills); they lie in clear and carry nothing personal.
    """
    if MemberNotice.objects.filter(member=member, occasion=occasion, reference=reference).exists():
        return None
    with connection.cursor() as cursor:
        cursor.execute(CANDIDATE, {"member": member, "occasion": occasion})
        found = cursor.fetchone()
    notice = MemberNotice(member_id=member, occasion=occasion, reference=reference, values=values)
    if found:
        notice.template_id = found[1]
    elif _goes_by_sms(member, occasion, by_sms):
        notice.medium = MemberNotice.Medium.SMS
    else:
        return None
    MemberNotice.objects.bulk_create([notice], ignore_conflicts=True)
    if not MemberNotice.objects.filter(pk=notice.pk).exists():
        return None  # told at the same moment
    if found:
        NoticeConsent.objects.filter(pk=found[0]).update(left=F("left") - 1, updated_at=Clock())
    return notice


def _goes_by_sms(member: UUID, occasion: str, by_sms: bool | None) -> bool:
    """Whether a text message is what is left: wanted, with a template for it, a phone to go to, and not too many."""
    wanted = occasion in settings.NOTICES_BY_SMS if by_sms is None else by_sms
    if not (wanted and sms.tells(occasion)):
        return False
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended('text messages to ' || %s, 0))", [str(member)])
    present = Member.objects.filter(pk=member, phone__isnull=False, status__in=REACHED)
    sent = MemberNotice.objects.filter(
        member=member, medium=MemberNotice.Medium.SMS, created_at__gt=Clock() - timedelta(days=1)
    )
    return present.exists() and sent.count() < settings.SMS_NOTICES_PER_DAY


def reachable(members: Iterable[UUID], occasion: str) -> set[UUID]:
    """Who of these may be told of something, as far as can be said of many at once."""
    members = list(members)
    if occasion in settings.NOTICES_BY_SMS:
        return set(members)
    accepted = NoticeConsent.objects.filter(member__in=members, left__gt=0, template__occasion=occasion)
    return set(accepted.values_list("member", flat=True))


@act
def silence(*, app_id: str, openid: str, template_id: str) -> bool:
    """A person turned a template's messages off in WeChat itself: nothing of it is left. False: nobody we know."""
    known = Identity.objects.filter(
        kind="wechat_openid", namespace=app_id, value_index=secret.blind_index("wechat_openid", openid)
    )
    who = known.filter(proof=Identity.Proof.VERIFIED).values("member")
    consents = NoticeConsent.objects.filter(
        member__in=who, template__template_id=template_id, template__channel__app_id=app_id
    )
    return bool(consents.update(left=0, last_result="reject", updated_at=Clock()))


def moment(at: datetime) -> str:
    """A time in Shanghai as WeChat's time fields take it: 2026年11月22日 14:08."""
    return at.astimezone(get_default_timezone()).strftime("%Y年%m月%d日 %H:%M")


@act
def resend(notice: UUID) -> bool:
    """Let a message that failed be tried again, on the acceptance it took. False when it has not failed."""
    failed = MemberNotice.objects.filter(pk=notice, state=MemberNotice.State.FAILED)
    return bool(failed.update(state=MemberNotice.State.WAITING, attempts=0, problem="", next_at=Clock()))

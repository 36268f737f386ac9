"""Staff with roles and channels, and one row of everything they could look at."""

from datetime import timedelta

from django.contrib.auth.models import Group, User
from django.db.models.functions import Now
from django.test import Client
from django.utils import timezone

from config import roles
from loyalty import services as points
from members import codes
from members.models import (
    Consent,
    Freeze,
    LinkCase,
    MemberNotice,
    Merge,
    NoticeConsent,
    NoticeTemplate,
    Request,
    SignInGrant,
    SmsChallenge,
    WechatToken,
)
from orders.models import Disclosure, PaymentCase, Recipient
from sync.act import SYSTEM
from sync.models import (
    Acknowledged,
    Alert,
    AlertRule,
    Discrepancy,
    ForwardedPush,
    Heartbeat,
    Horizon,
    IdempotentAnswer,
    InboxMessage,
    InboxReplay,
    Measure,
    Notice,
    Quota,
    ReconciliationRun,
)
from tests import make
from tests.loyalty import make_adjusting, make_holds, make_purchases, make_tiers
from tests.members import make_privacy, make_profile
from tests.orders import make_orders, make_staff_work
from tests.sync import make_deliveries

PHONE = "+8613712345678"
OPENID = "oA1b2C3d4E5f6G7h8"


def person(role: str = "", channels=(), **fields) -> User:
    """Staff of a role who look at these channels; without a role, staff of nothing."""
    if not Group.objects.exists():
        roles.apply()
    known = {"username": f"{role or 'nobody'}-{User.objects.count()}", "is_staff": True}
    user = User.objects.create_user(**known | fields)
    if role:
        roles.enrol(user, role, channels)
    return User.objects.get(pk=user.pk)


def signed_in(role: str = "", channels=(), **fields) -> Client:
    """A browser signed in as such a person."""
    browser = Client()
    browser.force_login(person(role, channels, **fields), backend="django.contrib.auth.backends.ModelBackend")
    return browser


class World:
    """One member of one channel with something in every list; `orders` on each of two channels."""

    def __init__(self):
        self.website, self.mini = make.channel("website"), make.channel("mini-program")
        self.member = make.member(phone=PHONE, openid=OPENID, nickname="林小溪", email="lin@example.cn")
        self.other = make.member(channel="mini-program", phone="+8613787654321", nickname="王二")
        codes.issue(member=self.member.pk, session=make.session(self.member).pk)
        make.policies()
        make_tiers.programme()
        make_tiers.benefit("silver")
        points.earn(member=self.member.pk, points=100, reference="start", by=SYSTEM)
        make_holds.hold(self.member)
        make_tiers.bought(make_tiers.account(self.member), 120_000)
        self.order = make_orders.order(member=self.member, channel=self.website, lines=2)
        self.foreign = make_orders.order(member=self.other, channel=self.mini)
        self.payment = make_orders.payment(self.order)
        Recipient.objects.create(order=self.order, receiver="林小溪", phone=PHONE)
        Disclosure.objects.create(order=self.order, actor="channel/website")
        self._papers()
        make_adjusting.one_of_each(self.member, self.website)
        make_purchases.one_of_each(self.member, self.website)
        self.shipped = make_staff_work.one_of_each(self.member, self.website)
        self._traffic()
        self._watch()

    def more(self, turn: int) -> None:
        """Another row of what there can be many of."""
        person = make.member(phone=make.mobile(), openid=make.mobile())
        codes.issue(member=person.pk, session=make.session(person).pk)
        make_orders.payment(make_orders.order(member=person, channel=self.website))
        points.earn(member=person.pk, points=5, reference=str(turn), by=SYSTEM)
        make_holds.hold(person, 2)
        make_adjusting.one_of_each(person, self.website, str(turn))
        make_purchases.one_of_each(person, self.website, str(turn))
        make_staff_work.one_of_each(person, self.website, str(turn))
        make_profile.address(person), make_profile.avatar(person), make_profile.wrote(person, "nickname")
        make_privacy.asked_for(person), make_privacy.asked_for(person, "export")
        Consent.objects.create(member=person, purpose="terms", version="1", act="granted", channel=self.website)
        LinkCase.objects.create(kind="merge", member=person, other=self.member, mask="1", identity_kind="phone")
        self._freeze(person)
        self._ask(person, self.member)
        NoticeConsent.objects.create(member=person, template=self.template, last_result="reject")
        MemberNotice.objects.create(
            member=person, occasion=self.template.occasion, template=self.template, reference=str(turn)
        )
        endpoint = make_deliveries.endpoint(self.website, f"https://shop.example/{turn}")
        make_deliveries.attempts(endpoint, 200, None)
        make.backend_client(self.website)
        alert = Alert.objects.create(rule=AlertRule.objects.get(), subject=f"endpoint/{endpoint.pk}", value=1)
        Notice.objects.create(alert=alert, moment="opened", medium="email", to="ops@example.cn")
        ReconciliationRun.objects.create(name="sync.reconcile.deliveries", finished_at=Now())
        kept = {"reconciliation": "x", "field": "available", "expected": "1", "found": "2"}
        Discrepancy.objects.create(subject=f"account/{person.pk}", **kept)

    def _papers(self):
        self.address, _made = make_profile.address(self.member, phone=PHONE), make_profile.avatar(self.member)
        make_profile.wrote(self.member, "nickname")
        make_privacy.asked_for(self.member), make_privacy.asked_for(self.member, "export")
        self._notices()
        case = {"mask": "137****5678", "identity_kind": "phone"}
        Consent.objects.create(member=self.member, purpose="terms", version="1", act="granted", channel=self.website)
        LinkCase.objects.create(kind="merge", member=self.member, other=self.other, **case)
        absorbed = make.member(phone=None, status="merged", merged_into=self.member)
        Merge.objects.create(
            kind="fold", source=absorbed, target=self.member, journal={"phone": PHONE}, by="system/hub"
        )
        self._freeze(self.member)
        self._ask(self.member, self.other)
        soon = timezone.now() + timedelta(minutes=5)
        code = {"purpose": "sign_in", "code_digest": b"1", "channel": self.website}
        SmsChallenge.objects.create(phone=PHONE, expires_at=soon, **code)
        WechatToken.objects.create(app_id=self.website.app_id, token="access-token-of-wechat", expires_at=soon)
        paid = {"transaction_id": "42", "amount_fen": 100, "paid_at": make.NOON, "provider": "wechat_pay"}
        PaymentCase.objects.create(kind="paid_twice", order=self.order, **paid)

    def _ask(self, member, other):
        """For both to become one."""
        asker, _made = User.objects.get_or_create(username="asker")
        Request.objects.create(kind="merge", member=member, other=other, reason="同一个人", asked_by=asker)

    def _freeze(self, member):
        """One that was lifted again; and a sign-in handed over."""
        over = {"lifted_at": timezone.now(), "lifted_by": "staff/2"}
        laid = {"scopes": ["points"], "reason": "abuse", "by": "staff/1", "approved_by": "staff/2"}
        Freeze.objects.create(member=member, **laid | over)
        soon = timezone.now() + timedelta(minutes=1)
        SignInGrant.objects.create(channel=self.website, digest=member.pk.bytes, identity=OPENID, expires_at=soon)

    def _notices(self):
        self.template = NoticeTemplate.objects.create(
            channel=self.website, template_id="template-1", occasion="order_shipped", title="订单发货提醒"
        )
        NoticeConsent.objects.create(member=self.member, template=self.template, left=1, last_result="accept")
        MemberNotice.objects.create(
            member=self.member, occasion="order_shipped", template=self.template, reference="D1", state="failed"
        )

    def _traffic(self):
        self.endpoint = make_deliveries.endpoint(self.website)
        self.event = make_deliveries.event(f"member/{self.member.pk}", data={"id": str(self.member.pk)})
        make_deliveries.delivery(self.endpoint, self.event)
        make_deliveries.attempts(self.endpoint, 500)
        make_deliveries.replay(self.endpoint)
        pushed = {"sender": "wechat/wx-website", "type": "user_enter_tempsession", "message_id": "p-1"}
        ForwardedPush.objects.create(endpoint=self.endpoint, body="{}", **pushed)
        make.backend_client(self.website)
        sent = {"sender": "channels/website", "type": "order.placed", "body_digest": b"1"}
        message = InboxMessage.objects.create(message_id="m-1", body=f'{{"phone": "{PHONE}"}}', **sent)
        InboxReplay.objects.create(message=message, by="staff/1", reason="rule mended", problem="invalid")
        IdempotentAnswer.objects.create(caller="channel/website", key="k", request_digest=b"1", body=PHONE)
        Quota.objects.create(key=f"sms {PHONE}", window=Now())
        Acknowledged.objects.create(subject=f"member/{self.member.pk}", channel=self.website, sequence=1)
        Heartbeat.objects.get_or_create(name="relay")
        Horizon.objects.create(position=0)

    def _watch(self):
        rule = AlertRule.objects.create(code="failing", name="Failing", measure="deliveries.failing", threshold=0.5)
        alert = Alert.objects.create(rule=rule, subject=f"endpoint/{self.endpoint.pk}", value=1)
        Notice.objects.create(alert=alert, moment="opened", medium="email", to="ops@example.cn")
        ReconciliationRun.objects.create(name="sync.reconcile.deliveries", finished_at=Now())
        kept = {"reconciliation": "x", "expected": "1", "found": "2"}
        Discrepancy.objects.create(subject="account/1", field="available", **kept)
        Measure.objects.create(name="delay", at=Now(), value=1)

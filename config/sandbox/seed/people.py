"""The members of the sandbox: two hundred people with Chinese names, half from each channel, most known to both."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from config.sandbox import policies
from config.sandbox.models import Person, WechatUser
from config.sandbox.seed.dice import Dice
from config.sandbox.seed.history import BEAT, Fact
from members.models import Consent, Identity, Member
from sync import events, secret
from sync.act import Actor
from sync.models import Audience, Channel

COUNT = 200
DAYS = 90
SURNAMES = "王李张刘陈杨黄赵吴周徐孙马朱胡郭何林高罗郑梁谢宋唐许韩冯邓曹彭曾肖田董袁潘于蒋蔡"
GIVEN = (
    "伟芳娜敏静丽强磊军洋勇艳杰娟涛明超兰霞平刚桂英"
    "子涵雨桐梓萱浩然欣怡宇轩诗涵俊杰思远佳琪一诺梦瑶天佑雅婷晨曦嘉豪若曦文博雪莹志强晓彤海燕建华春梅国栋秀英"
)
FIRST_PHONE = 19_900_000_000


@dataclass
class Somebody:
    """A member to be, with all that will be written of them."""

    member: Member
    home: Channel
    channels: list[Channel]
    identities: list[Identity] = field(default_factory=list)
    consents: list[Consent] = field(default_factory=list)
    person: Person | None = None
    wechat: list[WechatUser] = field(default_factory=list)

    @property
    def subject(self) -> str:
        return events.of_member(self.member.pk)

    def openid(self, channel: Channel) -> str | None:
        """Their openid in the channel's app."""
        return next((user.openid for user in self.wechat if user.app_id == channel.app_id), None)


def imagine(dice: Dice, channels: dict[str, Channel]) -> list[Somebody]:
    """Everybody, in the order in which they registered."""
    both = [channels["website"], channels["mini-program"]]
    began = dice.now - timedelta(days=DAYS)
    moments = sorted(dice.between(began, dice.now - timedelta(hours=2)) for _ in range(COUNT))
    return [_somebody(dice, n, at, both) for n, at in enumerate(moments)]


def store(everybody: list[Somebody]) -> None:
    """Write them, what they agreed to, and who may see them."""
    Member.objects.bulk_create(each.member for each in everybody)
    Identity.objects.bulk_create(identity for each in everybody for identity in each.identities)
    Consent.objects.bulk_create(consent for each in everybody for consent in each.consents)
    Audience.objects.bulk_create(
        Audience(subject=each.subject, channel=channel, since=each.member.created_at)
        for each in everybody
        for channel in each.channels
    )
    Person.objects.bulk_create(each.person for each in everybody if each.person)
    WechatUser.objects.bulk_create(user for each in everybody for user in each.wechat)


def facts(everybody: list[Somebody]) -> Iterator[Fact]:
    """What was told when each of them registered."""
    for each in everybody:
        member, at = each.member, each.member.created_at
        known = {"subject": each.subject, "by": Actor("member", str(member.pk), each.home.code)}
        named = {"id": str(member.pk), "version": 1}
        yield Fact("member.registered", at=at, data=named | {"changed": ["identities", "nickname", "phone"]}, **known)
        for n, consent in enumerate(each.consents, start=1):
            told = {"id": str(member.pk), "purpose": consent.purpose, "version": consent.version}
            yield Fact("member.consent_granted", at=at + n * BEAT, data=told, **known)


def _somebody(dice: Dice, n: int, at: datetime, both: list[Channel]) -> Somebody:
    home = dice.choice(both)
    knows_both = dice.happens(0.6)
    somebody = Somebody(_member(dice, n, at, home), home, both if knows_both else [home])
    _identify(dice, somebody, "phone", "", somebody.member.phone, at)
    if home.code == "mini-program" or knows_both:
        _join_wechat(dice, somebody, at)
    for purpose in ["terms", "privacy"] + ["marketing"] * dice.happens(0.5):
        somebody.consents.append(
            Consent(
                id=dice.uuid7(at),
                member=somebody.member,
                purpose=purpose,
                version=policies.VERSION,
                act=Consent.Act.GRANTED,
                channel=home,
                text_digest=policies.find(purpose, policies.VERSION, "zh-hans").digest,
                at=at,
            )
        )
    return somebody


def _member(dice: Dice, n: int, at: datetime, home: Channel) -> Member:
    phone = f"+86{FIRST_PHONE + n}"
    return Member(
        id=dice.uuid7(at),
        number=dice.number("M", at),
        nickname=dice.choice(SURNAMES) + "".join(dice.choices(GIVEN, k=dice.choice([1, 2, 2]))),
        gender=dice.choice(Member.Gender.values),
        phone=phone,
        phone_mask=secret.mask_phone(phone),
        phone_last4=phone[-4:],
        home_channel=home,
        created_at=at,
        updated_at=at,
    )


def _join_wechat(dice: Dice, somebody: Somebody, at: datetime) -> None:
    """One unionid, an openid in the app of each channel they use."""
    unionid = f"o6{dice.getrandbits(104):026x}"
    somebody.person = Person(
        id=dice.uuid7(at),
        unionid=unionid,
        unionid_index=secret.blind_index("unionid", unionid),
        phone=somebody.member.phone.removeprefix("+86"),
    )
    _identify(dice, somebody, "wechat_unionid", "", unionid, at)
    for channel in somebody.channels:
        openid = f"o{dice.getrandbits(108):027x}"
        somebody.wechat.append(
            WechatUser(
                id=dice.uuid7(at),
                person=somebody.person,
                app_id=channel.app_id,
                openid=openid,
                openid_index=secret.blind_index("openid", openid),
            )
        )
        _identify(dice, somebody, "wechat_openid", channel.app_id, openid, at)


def _identify(dice: Dice, somebody: Somebody, kind: str, namespace: str, value: str, at: datetime) -> None:
    somebody.identities.append(
        Identity(
            id=dice.uuid7(at),
            member=somebody.member,
            kind=kind,
            namespace=namespace,
            value=value,
            mask=secret.mask_phone(value) if kind == "phone" else secret.mask_id(value),
            proof=Identity.Proof.VERIFIED,
            assurance=3 if kind == "phone" else 2,
            channel=somebody.home,
            verified_at=at,
            last_seen_at=at,
            created_at=at,
        )
    )

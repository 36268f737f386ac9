"""Fixed bonuses, once per person: for registering, a birthday, the first sign-in on a channel.

A person is known by keyed hashes of all their verified identities (`Bonus.key`), one row each: whoever comes with any
of them again gets nothing. The rows outlive merges and erasures, and tell nobody who it was.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from django.db import connection

from loyalty import queries, rules
from loyalty.models import Account, Bonus, EarnRule, Entry
from loyalty.rules.earning import capped
from loyalty.services import posting, purchasing, tiering
from members.models import Identity, Member
from sync import clock
from sync.act import SYSTEM, act
from sync.models import Channel
from sync.secret import keyed_digest

Kind = EarnRule.Kind
SHANGHAI = ZoneInfo("Asia/Shanghai")
BATCH = 500
RECENT, LONG_AGO = timedelta(minutes=15), timedelta(days=7)  # how far back the quick sweep looks, and the thorough one
NOBODY = UUID(int=0)

IS_PERSON = """
m.status = 'active' AND EXISTS (SELECT FROM members_identity i WHERE i.member_id = m.id AND i.proof = 'verified')
"""
HAD_NONE = """
NOT EXISTS (SELECT FROM loyalty_bonus b JOIN loyalty_account a ON a.id = b.account_id
            WHERE a.member_id = m.id AND b.kind = %(kind)s AND b.period = {period})
"""
REGISTERED = f"""
SELECT m.id, m.id, NULL::uuid FROM members_member m
WHERE m.id > %(after)s AND m.created_at >= %(activated)s AND {IS_PERSON} AND {HAD_NONE.format(period="''")}
ORDER BY 1 LIMIT %(batch)s
"""  # noqa: S608 - texts of our own
SIGNED_IN = f"""
SELECT s.id, m.id, c.id FROM members_session s
JOIN members_member m ON m.id = s.member_id JOIN sync_channel c ON c.id = s.channel_id
WHERE s.id > %(after)s AND s.created_at >= %(activated)s AND {IS_PERSON} AND {HAD_NONE.format(period="c.code")}
    AND NOT EXISTS (
        SELECT FROM members_session e
        WHERE e.member_id = m.id AND e.channel_id = c.id AND e.created_at < %(activated)s)
ORDER BY 1 LIMIT %(batch)s
"""  # noqa: S608 - texts of our own
BORN = f"""
SELECT m.id, m.id, NULL::uuid FROM members_member m
WHERE extract(month FROM m.birthday) = %(month)s AND extract(day FROM m.birthday) = ANY(%(days)s::numeric[])
    AND m.id > %(after)s AND {IS_PERSON} AND {HAD_NONE.format(period="%(year)s")}
ORDER BY 1 LIMIT %(batch)s
"""  # noqa: S608 - texts of our own
REMEMBER = """
INSERT INTO loyalty_bonus (kind, period, account_id, key, growth)
SELECT %s, %s, %s, key, 0 FROM unnest(%s::bytea[]) key ON CONFLICT (kind, period, key) DO NOTHING
"""
CANDIDATES = {Kind.REGISTRATION: REGISTERED, Kind.SIGN_IN: SIGNED_IN, Kind.BIRTHDAY: BORN}


@dataclass(frozen=True)
class Occasion:
    """What a bonus is for: a kind, within it a year or a channel, and the name of its entry."""

    kind: str
    period: str = ""
    channel: Channel | None = None

    @property
    def reference(self) -> str:
        """As its entry is known: bonus:birthday:2026."""
        return ":".join(filter(None, ["bonus", self.kind.replace("_", "-"), self.period]))


def sweep(kind: str, back: timedelta = RECENT) -> int:
    """Give the bonus of a kind to all who are due it; returns how many got it.

    Looks at who registered or signed in within `back`, and at birthdays of today in Shanghai. May be run again,
    beside itself, or killed: each person is an act of its own.
    """
    now = clock.now()
    rule = rule_of(kind, now)
    return sum(give(rule=rule.pk, member=member, on=on) for member, on in _candidates(rule, now, back)) if rule else 0


def rule_of(kind: str, at: datetime) -> EarnRule | None:
    """The rule that gives a fixed bonus of this kind at that time."""
    rule = queries.active_rule(kind)
    gives = rule and (rule.fixed_points or rule.fixed_growth) and rules.in_force(rule, at)
    return rule if gives else None


@act
def give(*, rule: int, member: UUID, on: Occasion) -> bool:
    """Give a fixed bonus unless this person, by any identity, had it before; that is remembered either way.

    Nobody gets it who is frozen, absorbed, erased, or has no verified identity.
    """
    owner, terms = posting.locked(member), EarnRule.objects.get(pk=rule)
    keys = keys_of(owner, on.kind)
    if owner.pk != member or owner.status != Member.Status.ACTIVE or not keys:
        return False
    account, _made = Account.objects.get_or_create(member=owner)
    points = capped(terms, terms.fixed_points, _given_today(account, terms))
    if not points and not terms.fixed_growth:
        return False  # its cap of a day is used up: another day
    if not _first(account, on, keys):
        return False
    entry = _posted(owner, terms, points, on) if points else None
    mine = Bonus.objects.filter(account=account, kind=on.kind, period=on.period)
    mine.filter(key__in=keys).update(entry=entry)
    if terms.fixed_growth:
        mine.filter(key=keys[0]).update(growth=terms.fixed_growth)  # on one of the rows: they are added up
        tiering.judge(account.pk, by=SYSTEM, in_version=bool(points))
    return True


def remember(member: UUID) -> None:
    """Keep by all identities of today what a member was given: some were linked since. A part of an erasure."""
    owner = Member.objects.get(pk=member)
    given = Bonus.objects.filter(account__member=member).values_list("kind", "period", "account").distinct()
    with connection.cursor() as cursor:
        for kind, period, account in given:
            cursor.execute(REMEMBER, [kind, period, account, keys_of(owner, kind)])


def keys_of(member: Member, kind: str) -> list[bytes]:
    """What a person is known by for bonuses of a kind, in one order for all; nothing without a verified identity.

    A keyed hash of each verified identity; and of the member, so that who got nothing is not tried again.
    """
    verified = Identity.objects.filter(member=member, proof=Identity.Proof.VERIFIED)
    names = [f"{each.kind}\0{each.namespace}\0{each.value}" for each in verified]
    return sorted(keyed_digest(name, f"bonus:{kind}") for name in [*names, str(member.pk)]) if names else []


def birthday_on(day: date) -> list[int]:
    """The days of this month whose birthdays are kept on a day: in common years 29 February's on the 28th."""
    is_common = (day + timedelta(days=1)).day == 1
    return [28, 29] if (day.month, day.day) == (2, 28) and is_common else [day.day]


def _candidates(rule: EarnRule, now: datetime, back: timedelta) -> Iterator[tuple[UUID, Occasion]]:
    """Who may be due it, in bounded pieces. Ids of members and sessions rise with time: what is new is a range."""
    today = now.astimezone(SHANGHAI).date()
    born = rule.kind == Kind.BIRTHDAY
    activated = max(filter(None, [rule.activated_at or rule.created_at, rule.starts_at]))
    asked = {"kind": rule.kind, "activated": activated, "batch": BATCH}
    asked |= {"month": today.month, "days": birthday_on(today), "year": str(today.year)}
    asked["after"] = NOBODY if born else _first_id(now - back)
    channels = Channel.objects.in_bulk() if rule.kind == Kind.SIGN_IN else {}
    while found := _asked(CANDIDATES[rule.kind], asked):
        for asked["after"], member, channel in found:
            place = channels.get(channel)
            yield member, Occasion(rule.kind, str(today.year) if born else place.code if place else "", place)


def _asked(sql: str, parameters: dict) -> list[tuple]:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return cursor.fetchall()


def _first_id(at: datetime) -> UUID:
    """The least UUIDv7 of a moment."""
    return UUID(int=int(at.timestamp() * 1000) << 80)


def _first(account: Account, on: Occasion, keys: list[bytes]) -> bool:
    """Remember these keys; whether none of them was known. Waits for another act that is giving to one of them."""
    with connection.cursor() as cursor:
        cursor.execute(REMEMBER, [on.kind, on.period, account.pk, keys])
        return cursor.rowcount == len(keys)


def _posted(owner: Member, terms: EarnRule, points: int, on: Occasion) -> Entry:
    named = {"source": posting.HUB, "reference": on.reference, "rule": terms, "channel": on.channel}
    return posting.post(owner, posting.earning(points, valid_days=terms.valid_days, **named), SYSTEM).entry


def _given_today(account: Account, terms: EarnRule) -> int:
    return purchasing.given_today(account, terms) if terms.cap_per_day is not None else 0

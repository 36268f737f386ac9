"""Where a member stands with each purpose: granted or not, whether they may be asked, whether a guardian has to agree.

A clear no is respected (条例 21–25): the next question comes after 30 days, after another no 90, then 180, then every
360. A new version asks anew, but not before that day.
"""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.utils import timezone

from members import queries
from members.models import Consent, Member, Policy
from sync import clock
from sync.http import instant
from sync.models import Channel

GUARDIAN = "guardian"  # the purpose under which a guardian's consent is kept
OF_AGE = 14  # years: below, personal data is sensitive and consent is the guardian's (PIPL 28, 31)


@dataclass(frozen=True)
class Standing:
    """One purpose in force on a channel, and the last word of a member about it."""

    policy: Policy
    granted: bool
    last: Consent | None
    ask_after: datetime | None
    may_ask: bool
    needs_guardian: bool

    def as_dict(self) -> dict:
        """As the contract shows it."""
        last, was_granted = self.last, self.last and self.last.act == Consent.Act.GRANTED
        return {
            "purpose": self.policy.purpose,
            "version": self.policy.version,
            "title": self.policy.title,
            "text_url": self.policy.text_url,
            "required": self.policy.is_required,
            "granted": self.granted,
            "granted_version": last.version if was_granted else None,
            "at": instant(last.at) if last else None,
            "channel": last.channel and last.channel.code if last else None,
            "may_ask": self.may_ask,
            "ask_after": instant(self.ask_after),
            "needs_guardian": self.needs_guardian,
        }


def standings(member_id: UUID, channel: Channel) -> list[Standing]:
    """One for each purpose in force on the channel."""
    member, now = Member.objects.get(pk=member_id), clock.now()
    said: dict[str, list[Consent]] = {}
    for row in Consent.objects.filter(member=member).select_related("channel").order_by("id"):
        said.setdefault(row.purpose, []).append(row)
    granted = queries.granted_among(row for rows in said.values() for row in rows)
    return [_standing(member, p, said.get(p.purpose, []), granted, now) for p in queries.current_policies(channel)]


def _standing(member: Member, policy: Policy, said: list[Consent], granted: dict, now: datetime) -> Standing:
    has_granted = policy.version in granted.get(policy.purpose, set())
    gated = policy.purpose != GUARDIAN and needs_guardian(member, policy, granted, now)
    return Standing(
        policy=policy,
        granted=has_granted and not gated,
        last=said[-1] if said else None,
        ask_after=asked_again_at(said),
        may_ask=not has_granted and not gated and policy.purpose != GUARDIAN and may_ask(said, policy, now),
        needs_guardian=gated,
    )


def may_ask(said: list[Consent], policy: Policy, now: datetime) -> bool:
    """Whether it is time to ask somebody who said this, oldest first, about the policy."""
    after = asked_again_at(said)
    return after is None or now >= after


def asked_again_at(said: list[Consent]) -> datetime | None:
    """The first moment at which a member who last said no may be asked again; None for everybody else."""
    refused = 0
    for row in said:
        refused = 0 if row.act == Consent.Act.GRANTED else refused + 1
    if not refused:
        return None
    pauses = settings.CONSENT_ASKED_AGAIN_AFTER_DAYS
    return said[-1].at + timedelta(days=pauses[min(refused, len(pauses)) - 1])


def needs_guardian(member: Member, policy: Policy, granted: dict, now: datetime) -> bool:
    """Whether the member is too young to agree to what is not required of everybody, and no guardian has agreed."""
    return not policy.is_required and is_minor(member.birthday, now) and GUARDIAN not in granted


def is_minor(birthday: date | None, now: datetime) -> bool:
    """Whether somebody is known to be under 14, by the calendar of Shanghai."""
    return birthday is not None and birthday > born_by(now)


def born_by(now: datetime) -> date:
    """The last birthday of those who are 14: who was born later is not."""
    today = timezone.localdate(now)
    try:
        return today.replace(year=today.year - OF_AGE)
    except ValueError:  # the 29th of February: that year had none
        return today.replace(year=today.year - OF_AGE, day=28)

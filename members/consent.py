"""Consent: what a person must agree to before the hub keeps anything of them, and the record of what they said.

The latest word about a purpose counts, and only for the version in force. Saying no is as easy as saying yes, for
required purposes too: those are then asked for again before anything else. A no to what was never granted is kept as
well, so that nobody is asked over and over (`consent_state`).
"""

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from django.db.models import Exists, OuterRef, Q, QuerySet, Subquery, Value
from django.db.models.lookups import Exact
from django.utils.translation import gettext_lazy as _

from members import consent_state, queries, services
from members.consent_state import GUARDIAN, born_by
from members.models import Consent, Identity, Member, Policy, PrivacyRequest
from sync import clock, events
from sync.act import Actor, act
from sync.http import Problem
from sync.ids import request_id
from sync.models import Channel

Given = list[dict]  # [{"purpose", "version"}] as a client sends them
Act = Consent.Act


def missing(given: Given, channel: Channel) -> list[Policy]:
    """All required policies in force, when one of them is not among those given: whoever agrees to them is done."""
    required = [policy for policy in queries.current_policies(channel) if policy.is_required]
    return [] if {(p.purpose, p.version) for p in required} <= _pairs(given) else required


def grant(member: Member, given: Given, *, channel: Channel, by: Actor) -> bool:
    """Record each grant of a policy in force that is news, in a locked member's act. Returns whether any was.

    The caller touches the member. Versions that are not in force are no consent to anything, nor is a child's word.
    """
    said, granted = _pairs(given), queries.granted_by(member.id)
    news = [p for p in queries.current_policies(channel) if (p.purpose, p.version) in said]
    news = [p for p in news if p.version not in granted.get(p.purpose, set()) and not _is_void(member, p, granted)]
    for policy in news:
        _say(member, Act.GRANTED, policy.purpose, policy.version, channel=channel, by=by, policy=policy)
    return bool(news)


def _is_void(member: Member, policy: Policy, granted: dict) -> bool:
    """Whether it takes somebody else to agree: for a child its guardian, whose word no client brings."""
    return policy.purpose == GUARDIAN or consent_state.needs_guardian(member, policy, granted, clock.now())


@act
def give(*, member_id: UUID, purpose: str, version: str, channel: Channel, by: Actor) -> bool:
    """Agree to a version in force. Returns whether that was news.

    Raises Problem `invalid` for any other version, `forbidden` for what only a guardian may agree to.
    """
    member = _own(member_id)
    policy = next((p for p in queries.current_policies(channel) if p.purpose == purpose), None)
    if policy is None or policy.version != version:
        raise Problem.field("version" if policy else "purpose", _("This is not in force"))
    if _is_void(member, policy, queries.granted_by(member.id)):
        raise Problem("forbidden", _("A guardian has to agree to this"))
    is_news = grant(member, [{"purpose": purpose, "version": version}], channel=channel, by=by)
    if is_news:
        services.touch(member)
    return is_news


@act
def refuse(*, member_id: UUID, purpose: str, channel: Channel, by: Actor) -> None:
    """Withdraw what was granted, or decline what is asked for; a no of theirs that stands already changes nothing.

    Raises Problem `not_found` for a purpose that is neither in force nor was ever spoken of.
    """
    member = _own(member_id)
    policy = next((p for p in queries.current_policies(channel) if p.purpose == purpose), None)
    said = list(Consent.objects.filter(member=member, purpose=purpose).order_by("id"))
    if not said and policy is None:
        raise Problem("not_found")
    if said and said[-1].act == Act.GRANTED:
        _say(member, Act.WITHDRAWN, purpose, said[-1].version, channel=channel, by=by, policy=policy)
    elif policy and (_is_of_a_merge(said) or consent_state.may_ask(said, policy, clock.now())):
        _say(member, Act.DECLINED, purpose, policy.version, channel=channel, by=by, policy=policy)
    else:
        return
    services.touch(member)


def _is_of_a_merge(said: list[Consent]) -> bool:
    """Whether the last word was taken over from somebody they were merged with: undone, it would be taken back."""
    return bool(said) and said[-1].evidence.startswith("merge ")


@act
def record_guardian(*, member_id: UUID, evidence: str, by: Actor) -> Consent:
    """A guardian's consent, as staff hold it in their hands; `evidence` says what and where.

    Raises Problem `not_found` for a member who is no more.
    """
    (member,) = services.lock(member_id)
    if member.status == Member.Status.ERASED:
        raise Problem("not_found")
    policy = next((p for p in queries.current_policies() if p.purpose == GUARDIAN), None)
    version = policy.version if policy else "1"
    said = _say(member, Act.GRANTED, GUARDIAN, version, channel=None, by=by, policy=policy, evidence=evidence)
    services.touch(member)
    return said


def _own(member_id: UUID) -> Member:
    (member,) = services.lock(member_id)
    if member.id != member_id:
        raise Problem("token_revoked")  # absorbed since the token was checked
    return member


def _say(
    member: Member,
    what: str,
    purpose: str,
    version: str,
    *,
    channel: Channel | None,
    by: Actor,
    policy: Policy | None,
    evidence: str = "",
) -> Consent:
    """Add a row and tell of it. `policy` is the text that was shown, if it is of that version."""
    text = policy if policy and policy.version == version else None
    row = Consent.objects.create(
        member=member,
        purpose=purpose,
        version=version,
        act=what,
        channel=channel,
        locale=text.locale if text else "",
        text_digest=text.text_digest if text else "",
        evidence=evidence or request_id.get(),
    )
    subject, data = events.of_member(member.id), {"id": str(member.id), "purpose": purpose, "version": version}
    if what == Act.DECLINED:  # nothing was given, nothing is taken: only that they need not be asked
        events.record("member.updated", subject=subject, data=services.changed(member, "consents"), by=by)
    else:
        events.record(f"member.consent_{what}", subject=subject, data=data, by=by)
    return row


def _pairs(given: Given) -> set[tuple[str, str]]:
    return {(item["purpose"], item["version"]) for item in given}


def allows(member_id: UUID, purpose: str) -> bool:
    """Whether the hub may do this with the member's data now; an absorbed id answers for its survivor."""
    return allowed(purpose).filter(Q(pk=member_id) | Q(absorbed=member_id)).exists()


def allowed(purpose: str) -> QuerySet[Member]:
    """Everybody of whom `allows` is true, as one query.

    Their latest word is a grant of the version in force where it was said, and no limit of their data or erasure is
    under way. What is not required of everybody takes more: a person who proved who they are, and for whoever is known
    to be under 14 a guardian's consent.
    """
    return _allowed(purpose, clock.now())


def allowed_of(member_id: UUID, purposes: Iterable[str]) -> set[str]:
    """Those of the purposes for which `allows` is true, as one query."""
    now = clock.now()
    each = [_allowed(name, now).filter(pk=member_id).values_list(Value(name), flat=True) for name in purposes]
    return set(each[0].union(*each[1:])) if each else set()


def _allowed(purpose: str, now: datetime) -> QuerySet[Member]:
    latest = Consent.objects.filter(member=OuterRef("pk"), purpose=purpose).order_by("-id")
    found = Member.objects.filter(status__in=[Member.Status.ACTIVE, Member.Status.FROZEN]).annotate(
        said=Subquery(latest.values("act")[:1]),
        said_version=Subquery(latest.values("version")[:1]),
        said_on=Subquery(latest.values("channel")[:1]),
    )
    found = found.filter(_in_force(purpose), ~_is_restricted(), said=Act.GRANTED)
    if purpose == GUARDIAN:
        return found
    required = Policy.objects.filter(purpose=purpose, is_current=True, is_required=True)
    return found.filter(Exists(required) | _is_proven() & _is_old_enough(now))


def _is_proven() -> Exists:
    return Exists(Identity.objects.filter(member=OuterRef("pk"), proof=Identity.Proof.VERIFIED))


def _is_old_enough(now: datetime) -> Q:
    words = Consent.objects.filter(member=OuterRef("pk"), purpose=GUARDIAN).order_by("-id")
    agreed = Exact(Subquery(words.values("act")[:1]), Act.GRANTED)
    return Q(birthday=None) | Q(birthday__lte=born_by(now)) | Q(agreed)


def _in_force(purpose: str) -> Exists:
    current = Policy.objects.filter(purpose=purpose, is_current=True)
    own = current.filter(channel=OuterRef(OuterRef("said_on")))
    here = Q(channel=OuterRef("said_on")) | Q(channel=None) & ~Exists(own)
    return Exists(current.filter(here, version=OuterRef("said_version")))


def _is_restricted() -> Exists:
    kinds, states = PrivacyRequest.Kind, PrivacyRequest.State
    whose = Q(member=OuterRef("pk")) | Q(member__merged_into=OuterRef("pk"))
    asked = PrivacyRequest.objects.filter(whose, kind__in=[kinds.RESTRICTION, kinds.ERASURE])
    return Exists(asked.filter(state__in=[states.OPEN, states.RUNNING]))

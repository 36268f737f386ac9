"""Consents, and the messages that a member agreed to."""

from datetime import datetime

from members import queries
from members.models import Consent, Member, MemberNotice, NoticeConsent
from members.moving.rows import handed
from sync import clock, events
from sync.act import SYSTEM

MOST = 100  # sends that may be left, as the database has it
Act, State = Consent.Act, MemberNotice.State


def move(source: Member, target: Member) -> dict:
    """Of two words on a purpose the stricter stands; where the target said nothing, the source's word comes along."""
    spoken = Consent.objects.filter(member=target).values("purpose")
    silent = Consent.objects.filter(member=source).exclude(purpose__in=spoken)
    before, theirs = queries.granted_by(target.id), queries.granted_by(source.id)
    denied = _latest(source, set(before) - set(theirs))
    journal = {"consents": handed(silent, target), "stricter": [_deny(target, word) for word in denied]}
    _tell(target, before)
    return journal | _hand_notices(source, target)


def restore(source: Member, target: Member, journal: dict, at: str) -> None:
    """Each has their own words again; those that the merge took from the target hold again, unless more was said.

    A no that was said since is one of both: nobody knows which of them said it.
    """
    before = queries.granted_by(target.id)
    handed(Consent.objects.filter(pk__in=journal["consents"], member=target), source)
    for word in journal["stricter"]:
        (last,) = _latest(target, {word["purpose"]})
        if str(last.id) == word["id"]:
            for was in Consent.objects.filter(pk__in=word["was"]).order_by("id"):
                _say(target, was, Act.GRANTED, f"unmerge {last.id}")
    _tell(target, before)
    _share_noes(source, target, datetime.fromisoformat(at))
    _return_notices(source, target, journal)


def _latest(member: Member, purposes: set[str]) -> list[Consent]:
    rows = Consent.objects.filter(member=member, purpose__in=purposes)
    return list(rows.order_by("purpose", "-id").distinct("purpose"))


def _share_noes(source: Member, target: Member, since: datetime) -> None:
    agreed = queries.granted_by(source.id)
    for word in _latest(target, set(agreed)):
        if word.act != Act.GRANTED and word.at > since:
            _deny(source, word, "unmerge")
    _tell(source, agreed)


def _deny(member: Member, word: Consent, why: str = "merge") -> dict:
    """The other side's no, said again here; keeps the grants that it ends."""
    standing: dict[str, Consent] = {}
    for said in Consent.objects.filter(member=member, purpose=word.purpose).order_by("id"):
        standing = standing | {said.version: said} if said.act == Act.GRANTED else {}
    *_older, last = standing.values()
    made = _say(member, last, Act.WITHDRAWN, f"{why} {word.id}")
    return {"id": str(made.id), "purpose": word.purpose, "was": [str(said.id) for said in standing.values()]}


def _say(member: Member, like: Consent, act: str, evidence: str) -> Consent:
    """A word of the merge's own, on the text of an earlier one."""
    same = {name: getattr(like, name) for name in ("purpose", "version", "channel", "locale", "text_digest")}
    return Consent.objects.create(member=member, act=act, evidence=evidence, **same)


def _tell(member: Member, before: dict[str, set[str]]) -> None:
    """What the member agrees to now and did not, and the other way round."""
    was, now = _pairs(before), _pairs(queries.granted_by(member.id))
    for fact, pairs in (("granted", now - was), ("withdrawn", was - now)):
        for purpose, version in sorted(pairs):
            data = {"id": str(member.id), "purpose": purpose, "version": version}
            events.record(f"member.consent_{fact}", subject=events.of_member(member.id), data=data, by=SYSTEM)


def _pairs(granted: dict[str, set[str]]) -> set[tuple[str, str]]:
    return {(purpose, version) for purpose, versions in granted.items() for version in versions}


def _hand_notices(source: Member, target: Member) -> dict:
    """Sends that are left add up. Messages come along unless the target has the same; what waits twice is sent once."""
    counts = []
    for theirs in NoticeConsent.objects.filter(member=source).order_by("template"):
        known = {"last_result": theirs.last_result}
        mine, _made = NoticeConsent.objects.get_or_create(member=target, template=theirs.template, defaults=known)
        counts.append([theirs.pk, mine.pk, theirs.left, mine.left])
        _leave(mine, min(mine.left + theirs.left, MOST))
        _leave(theirs, 0)
    return {"counts": counts, "notices": _hand_messages(source, target)}


def _hand_messages(source: Member, target: Member) -> list:
    known = set(MemberNotice.objects.filter(member=target).values_list("occasion", "reference"))
    own = MemberNotice.objects.filter(member=source)
    doubled = [row.pk for row in own if (row.occasion, row.reference) in known]
    own.filter(pk__in=doubled, state=State.WAITING).update(state=State.FAILED, problem="merged")
    return handed(own.exclude(pk__in=doubled), target)


def _return_notices(source: Member, target: Member, journal: dict) -> None:
    """The target keeps its own sends as far as any are left, the rest goes back: no send is won by parting."""
    for theirs, mine, was_theirs, was_mine in journal["counts"]:
        rows = NoticeConsent.objects.in_bulk([theirs, mine])
        left = rows[mine].left
        back = min(was_theirs, max(0, left - was_mine))
        _leave(rows[theirs], back)
        _leave(rows[mine], left - back)
    handed(MemberNotice.objects.filter(pk__in=journal["notices"], member=target), source)


def _leave(row: NoticeConsent, left: int) -> None:
    row.left, row.updated_at = left, clock.now()
    row.save(update_fields=["left", "updated_at"])

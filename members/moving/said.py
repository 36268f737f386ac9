"""Consents, and the messages that a member agreed to."""

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
    journal = {"consents": handed(silent, target), "stricter": [_say(target, word, "merge") for word in denied]}
    _tell(target, before)
    return journal | _hand_notices(source, target)


def restore(source: Member, target: Member, journal: dict, at: str) -> None:
    """Each has their own words again; one that the merge took from the target holds again, unless more was said."""
    before = queries.granted_by(target.id)
    handed(Consent.objects.filter(pk__in=journal["consents"], member=target), source)
    for word in journal["stricter"]:
        last = Consent.objects.filter(member=target, purpose=word["purpose"]).order_by("-id").first()
        if str(last.id) == word["id"]:
            again = Consent.objects.get(pk=word["was"])
            _say(target, again, "unmerge", act=Act.GRANTED)
    _tell(target, before)
    _return_notices(source, target, journal)


def _latest(member: Member, purposes: set[str]) -> list[Consent]:
    rows = Consent.objects.filter(member=member, purpose__in=purposes)
    return list(rows.order_by("purpose", "-id").distinct("purpose"))


def _say(member: Member, word: Consent, why: str, act: str = Act.WITHDRAWN) -> dict:
    """A word of the merge's own, on the version that the member agreed to; keeps what it stands in place of."""
    (was,) = _latest(member, {word.purpose})
    said = {"purpose": word.purpose, "version": was.version, "act": act, "channel": word.channel}
    made = Consent.objects.create(
        member=member, locale=was.locale, text_digest=was.text_digest, evidence=f"{why} {word.id}", **said
    )
    return {"id": str(made.id), "purpose": word.purpose, "was": str(was.id)}


def _tell(member: Member, before: dict[str, str]) -> None:
    """What the member agrees to now and did not, and the other way round."""
    after = queries.granted_by(member.id)
    for fact, words, others in (("granted", after, before), ("withdrawn", before, after)):
        for purpose in sorted(words):
            if words[purpose] != others.get(purpose) and (fact == "granted" or purpose not in after):
                data = {"id": str(member.id), "purpose": purpose, "version": words[purpose]}
                subject = events.of_member(member.id)
                events.record(f"member.consent_{fact}", subject=subject, data=data, by=SYSTEM)


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
    known = set(MemberNotice.objects.filter(member=target).values_list("template", "reference"))
    own = MemberNotice.objects.filter(member=source)
    doubled = [row.pk for row in own if (row.template_id, row.reference) in known]
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

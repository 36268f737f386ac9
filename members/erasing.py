"""Erasure: after a time to think it over, one act on every floor forgets who a member was.

Asked for and withdrawn in `members/privacy.py`. When it is due, what stands in the way is looked at again: while
anything does, the request stays open with the reasons. Entries of points and amounts of orders stay, on a member that
has no name; so does the receipt, which counts what went and says why the rest stays. Whoever saw the member is told
once, `member.erased`; then there is nothing more to tell. They cease to see it when that event is itself forgotten.
"""

import logging
from collections import Counter
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.utils.translation import gettext_lazy as _

from members import copying, services
from members.models import Member, PrivacyRequest
from members.records import Records, all_records
from sync import clock, events, forgetting
from sync.act import Actor, act
from sync.clock import Clock
from sync.forgetting import Words
from sync.http import instant
from sync.models import Audience
from sync.services import dismiss

logger = logging.getLogger(__name__)

State = PrivacyRequest.State
STRAGGLING = timedelta(minutes=10)  # a message may be stored this long after it got its id
HUB = Actor("system", "hub")
CHANGED = ["avatar_url", "birthday", "email", "gender", "identities", "nickname", "phone", "status"]
REASONS = {
    "order": _("An order is not finished"),
    "payment_case": _("A payment is being looked into"),
    "hold": _("Points are held for a purchase"),
    "debt": _("Points are owed"),
    "freeze": _("The account is restricted"),
    "message": _("A message about the account is still to be worked on"),
}
STAYS = {  # what stays without a name, and why
    "orders": _("Accounting law keeps what was sold and for how much"),
    "payments": _("Accounting law keeps what was paid"),
    "entries": _("The books of points add up only as a whole"),
    "consents": _("Proof that there was consent"),
    "merges": _("Proof of what became one account"),
    "link_cases": _("Proof of how accounts were told apart"),
    "freezes": _("Proof of who restricted an account, and when"),
    "requests": _("Proof of what staff decided"),
    "privacy_requests": _("Proof that requests were met"),
}


def blocks(member_id: UUID) -> list[str]:
    """What stands in the way of erasing a member, and whoever it absorbed, as words; the member is locked."""
    found = {reason for one in copying.everyone(member_id) for floor in all_records() for reason in floor.blocks(one)}
    return sorted(found)


def in_words(reasons: list[str]) -> str:
    """Reasons for people."""
    return "; ".join(str(REASONS.get(reason, reason)) for reason in reasons)


def erase_due(limit: int = 100) -> int:
    """Carry out erasures that are due, each in an act of its own; one that fails waits for the next sweep.

    May run twice, beside itself, or be killed. Returns how many members were erased: at most `limit`, and those that
    cannot be erased yet keep nobody behind them waiting.
    """
    due = PrivacyRequest.objects.filter(kind="erasure", state__in=[State.OPEN, State.RUNNING], due_at__lte=Clock())
    erased = 0
    for request in list(due.order_by("due_at").values_list("pk", flat=True)):
        if erased == limit:
            break
        try:
            erased += erase(request)
        except Exception:  # one that cannot be carried out must not hold up everybody else's
            logger.exception("Erasure %s", request)
    return erased


def erase(request: UUID) -> bool:
    """Carry out one erasure if it is due and nothing stands in its way; whether the member is erased by this call.

    Messages are opened one by one: all that there are before the member is locked, so that nobody waits for that,
    and under the lock those that came in between.
    """
    asked, since = PrivacyRequest.objects.get(pk=request), clock.now() - STRAGGLING
    words = _words(copying.everyone(asked.member_id))
    reasons = blocks(asked.member_id) or (["message"] if forgetting.is_awaited(words) else [])
    looked_through = 0 if reasons else forgetting.forget_messages(words)
    return _erase(request, reasons, looked_through, since)


@act
def _erase(request_id: UUID, reasons: list[str], messages: int, since: datetime) -> bool:
    found = PrivacyRequest.objects.get(pk=request_id)
    (member,) = services.lock(found.member_id)
    people = _locked(member.id)
    request = PrivacyRequest.objects.select_for_update(no_key=True).get(pk=request_id)
    if request.state not in {State.OPEN, State.RUNNING} or request.due_at > clock.now():
        return False
    if member.id != request.member_id or member.status == Member.Status.ERASED:
        return _drop(request)
    if reasons := sorted({*reasons, *blocks(member.id)}):
        _put_off(request, reasons)
        return False
    words = _words(people)
    gone, kept = _forget(people)
    gone["messages"] = messages + forgetting.forget_messages(words, since)
    gone["kept_answers"] = forgetting.forget_answers(words, by=[events.of_member(one) for one in people])
    _tell(request, member)
    _finish(request, member, gone, kept)
    return True


def _locked(member_id: UUID) -> list[UUID]:
    """The person's members, and what every floor holds of them, locked in the order of the house."""
    people: list[UUID] = []
    while people != (people := copying.everyone(member_id)):
        services.lock(*people)
    for records in reversed(all_records()):
        records.lock(people)
    return people


def _forget(people: list[UUID]) -> tuple[Counter, Counter]:
    """Every floor forgets, and the ground; counts by kind of what is gone and of what stays."""
    gone, kept = Counter(), Counter()
    for records in _last_members():
        for one in people:
            told = records.erase(one)
            gone.update(told["gone"])
            kept.update(told["kept"])
    gone.update(forgetting.forget_subjects([events.of_member(one) for one in people]))
    return gone, kept


def _tell(request: PrivacyRequest, member: Member) -> None:
    member.refresh_from_db()
    services.touch(member)
    by = Actor("member", str(member.id), request.channel.code if request.channel else "")
    events.record("member.erased", subject=events.of_member(member.id), data=services.changed(member, *CHANGED), by=by)


def _last_members() -> list[Records]:
    """The floors above first: they still need to know the person by their identities."""
    own, *above = all_records()
    return [*above, own]


def _words(people: list[UUID]) -> Words:
    return {word for one in people for records in all_records() for word in records.known_as(one)}


def _put_off(request: PrivacyRequest, reasons: list[str]) -> None:
    if request.reasons != reasons:
        request.reasons = reasons
        request.save(update_fields=["reasons"])


def _drop(request: PrivacyRequest) -> bool:
    """The member became a part of another, or left before: there is nothing of its own to erase."""
    request.state, request.closed_at, request.closed_by = State.WITHDRAWN, clock.now(), str(HUB)
    request.save(update_fields=["state", "closed_at", "closed_by"])
    return False


def _finish(request: PrivacyRequest, member: Member, gone: Counter, kept: Counter) -> None:
    seen = Audience.objects.filter(subject=events.of_member(member.id)).values_list("channel__code", flat=True)
    request.refresh_from_db()
    request.state, request.closed_at, request.closed_by, request.reasons = State.DONE, clock.now(), str(HUB), []
    request.receipt = {
        "member": member.number,
        "at": instant(request.closed_at),
        "gone": {kind: count for kind, count in sorted(gone.items()) if count},
        "kept": {kind: count for kind, count in sorted(kept.items()) if count},
        "told": sorted(seen),
    }
    request.save()


def end_audiences() -> int:
    """Let nobody see a member that was erased so long ago that the event telling it is forgotten. How many ceased.

    Looks back a month, and may be run at any time.
    """
    until = clock.now() - timedelta(days=settings.EVENT_RETENTION_DAYS)
    erased = PrivacyRequest.objects.filter(
        kind="erasure", state=State.DONE, closed_at__range=(until - timedelta(days=30), until)
    )
    people = [one for member_id in erased.values_list("member", flat=True) for one in copying.everyone(member_id)]
    return dismiss([events.of_member(one) for one in people])

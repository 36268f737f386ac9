"""Link cases: showing that two members are one person, or saying that they are not.

Whoever opened a case brings proofs forward, each from a session that was confirmed just now. Enough of them join both
members; until then nothing moves.
"""

from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from django.db import connection
from django.db.models import Q

from members import auth, challenges, linking, merging, proving, rules, services, sessions
from members.models import LinkCase, Session, SmsChallenge
from members.records import all_records
from members.signing_in import SignedIn, opened
from sync import clock, quotas
from sync.act import Actor, act
from sync.http import Problem

DAY = 86_400  # seconds

GUESS = """
UPDATE members_linkcase SET guesses = guesses + 1 WHERE id = %s AND guesses < %s RETURNING id
"""


@dataclass(frozen=True, repr=False)
class Fact:
    """What is brought forward: its kind in the case, whether it holds there, and how it is used up."""

    kind: str
    holds: Callable[[LinkCase], bool]
    spend: Callable[[], None] = proving.nothing


def by_sms(challenge: SmsChallenge) -> Fact:
    """A code that reached the other member's phone."""

    def holds(case: LinkCase) -> bool:
        return linking.takes_sms(case) and challenge.phone == case.other.phone

    return Fact("phone", holds, lambda: challenges.spend(challenge))


def by_order(number: str, total_fen: int) -> Fact:
    """An order of the other member. The guess is counted apart (`count_guess`)."""

    def holds(case: LinkCase) -> bool:
        fact = {"kind": "order", "number": number, "total_fen": total_fen}
        fact["but_by_phone"] = case.kind == LinkCase.Kind.RECYCLED_PHONE  # its next holder buys by it, too
        return any(records.knows(case.other_id, fact) for records in all_records())

    return Fact("order_fact", holds)


def by_old_sign_in(access_token: str) -> Fact:
    """A live session of the other member that a proof began; one handed over by a channel shows nothing."""

    def holds(case: LinkCase) -> bool:
        try:
            proof = auth.by_token(access_token)
        except Problem:
            return False
        strong = Session.objects.filter(pk=proof.session, assurance__gte=rules.WECHAT)
        return proof.member == case.other_id and strong.exists()

    return Fact("old_sign_in", holds)


def mine(case_id: UUID, member_id: UUID) -> LinkCase:
    """An open case of the member or of whom they absorbed; raises Problem `not_found` or `case_closed`."""
    own = Q(member=member_id) | Q(member__merged_into=member_id)
    case = LinkCase.objects.filter(own, pk=case_id).select_related("member", "other").first()
    if case is None:
        raise Problem("not_found")
    _require_open(case)
    return case


def ready(case_id: UUID, session_id: UUID) -> LinkCase:
    """An open case of the session's member, confirmed just now: asked before anything is counted or used up.

    Raises Problem `not_found`, `case_closed`, `step_up_required`.
    """
    session = Session.objects.select_related("member").get(pk=session_id)
    case = mine(case_id, session.member_id)
    proving.require_confirmed(session, session.member)
    return case


def count_guess(case: LinkCase) -> None:
    """Count one guess at an order, whatever comes of it: in all per case, a day per member whose order it would be.

    Raises Problem `too_many_attempts` or `rate_limited`. Call it outside a transaction.
    """
    quotas.count(f"order-fact/{case.other_id}", limit=rules.GUESSES_A_DAY, every=DAY)
    with connection.cursor() as cursor:
        cursor.execute(GUESS, [case.id, rules.GUESSES])
        if cursor.fetchone() is None:
            raise Problem("too_many_attempts")


@act
def prove(*, case_id: UUID, session_id: UUID, fact: Fact) -> SignedIn:
    """Bring a fact forward. Once enough is shown both members are one, and the person is signed in to the survivor.

    New tokens in every case. Raises Problem `not_found`, `case_closed`, `step_up_required`, `token_revoked`, and
    `code_invalid` for whatever does not hold.
    """
    case, session = _locked(case_id, session_id)
    proving.require_confirmed(session, case.member)
    if not fact.holds(case):
        raise Problem("code_invalid")
    fact.spend()
    linking.note(case, fact.kind, rules.SMS)
    if linking.is_proven(case):
        return _joined(case, session)
    return SignedIn(case.member, session, sessions.reissue(session), case=case)


@act
def decline(*, case_id: UUID, session_id: UUID) -> None:
    """The person says that the other member is not them. A new proof opens a case anew.

    Raises Problem `not_found`, `case_closed`, `token_revoked`.
    """
    case, _session = _locked(case_id, session_id)
    case.state, case.closed_at, case.closed_by = LinkCase.State.DECLINED, clock.now(), f"member/{case.member_id}"
    case.save(update_fields=["state", "closed_at", "closed_by"])


def _locked(case_id: UUID, session_id: UUID) -> tuple[LinkCase, Session]:
    """The case as it is once both members, the session and the case itself are locked."""
    member_id = Session.objects.values_list("member_id", flat=True).get(pk=session_id)
    known = mine(case_id, member_id)
    members = {member.id: member for member in services.lock(known.member_id, known.other_id)}
    session = proving.alive(session_id)
    case = LinkCase.objects.select_for_update(no_key=True).get(pk=case_id)
    _require_open(case)
    case.member, case.other = members[case.member_id], members[case.other_id]
    return case, session


def _require_open(case: LinkCase) -> None:
    if case.state != LinkCase.State.OPEN:
        raise Problem("case_closed")


def _joined(case: LinkCase, session: Session) -> SignedIn:
    """Both members are one: who registered first goes on, with a session on this channel."""
    by = Actor("member", str(case.member_id), session.channel.code)
    source, target = merging.survivor_of(case.member, case.other)
    merging.merge(source, target, why=f"link case {case.id}", by=by)
    LinkCase.objects.filter(pk=case.id).update(closed_by=str(by))
    return opened(linking.Settled(target, absorbed=source.id), session)

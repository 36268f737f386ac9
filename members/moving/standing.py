"""What lies on a member: freezes, open cases and requests, and whom they absorbed."""

from datetime import datetime

from django.db.models import Q

from members import freezing
from members.models import ExportFile, Freeze, LinkCase, Member, PrivacyRequest
from members.moving.rows import handed
from sync import events
from sync.act import SYSTEM
from sync.clock import Clock

OPEN = [PrivacyRequest.State.OPEN, PrivacyRequest.State.RUNNING]


def move(source: Member, target: Member) -> dict:
    """The target bears what either bore, and answers for whom the source absorbed; open cases of the source close."""
    before = [_freeze(member) for member in (source, target)]
    freezing.join(source, target, by=SYSTEM)
    return {
        "freezes": before,
        "joined": _freeze(target),
        "requests": _hand_requests(source, target),
        "cases": _close_cases(source, target),
        "absorbed": handed(Member.objects.filter(merged_into=source), target, "merged_into"),
    }


def restore(source: Member, target: Member, journal: dict, at: str) -> None:
    """Each bears their own again. A freeze that was lifted since stays lifted, on both sides."""
    handed(Member.objects.filter(pk__in=journal["absorbed"], merged_into=target), source, "merged_into")
    handed(PrivacyRequest.objects.filter(pk__in=journal["requests"], member=target), source)
    _drop_copies(source, target, since=datetime.fromisoformat(at))
    (theirs, own), joined, now = journal["freezes"], journal["joined"], _freeze(target)
    if theirs and now:
        _reopen(source, theirs)
    if joined != own and now == joined:
        _reopen(target, own)


def _freeze(member: Member) -> str | None:
    found = Freeze.objects.filter(member=member, lifted_at=None).values_list("pk", flat=True).first()
    return found and str(found)


def _reopen(member: Member, freeze: str | None) -> None:
    """Let this freeze be the member's standing, or none, and tell what changed."""
    before = set(member.frozen_scopes)
    Freeze.objects.filter(member=member, lifted_at=None).update(lifted_at=Clock(), lifted_by=str(SYSTEM))
    Freeze.objects.filter(pk=freeze).update(lifted_at=None, lifted_by="")
    member.frozen_scopes = Freeze.objects.get(pk=freeze).scopes if freeze else []
    member.status = Member.Status.FROZEN if freeze else Member.Status.ACTIVE
    member.save(update_fields=["status", "frozen_scopes"])
    gone = [scope for scope in freezing.EVERYTHING if scope in before - set(member.frozen_scopes)]
    for fact, scopes in (("member.unfrozen", gone), ("member.frozen", member.frozen_scopes)):
        if scopes:
            data = {"id": str(member.id), "scopes": scopes}
            events.record(fact, subject=events.of_member(member.id), data=data, by=SYSTEM)


def _hand_requests(source: Member, target: Member) -> list[str]:
    """What the source asked of the hub and still waits for; of two erasures or restrictions one is enough.

    A member with nothing to lose that asked to be erased and is folded instead withdrew that.
    """
    waiting = PrivacyRequest.objects.filter(member=source, state__in=OPEN)
    withdrawn = {"state": PrivacyRequest.State.WITHDRAWN, "closed_at": Clock(), "closed_by": str(SYSTEM)}
    waiting.filter(kind=PrivacyRequest.Kind.ERASURE).update(**withdrawn)
    restricted = PrivacyRequest.objects.filter(
        member=target, kind=PrivacyRequest.Kind.RESTRICTION, state__in=OPEN
    ).exists()
    once = waiting.exclude(kind=PrivacyRequest.Kind.RESTRICTION) if restricted else waiting
    return handed(once, target)


def _drop_copies(*members: Member, since: datetime) -> None:
    """What was copied while both were one shows each what is the other's; a copy that is being made is waited for."""
    asked = PrivacyRequest.objects.filter(member__in=members, kind=PrivacyRequest.Kind.EXPORT).order_by("id")
    held = list(asked.select_for_update(no_key=True).values_list("pk", flat=True))
    ExportFile.objects.filter(request__in=held, created_at__gt=since).delete()


def _close_cases(source: Member, target: Member) -> list[str]:
    """The one between the two is decided; any other would be about somebody else now: a new proof opens it anew."""
    open_cases = LinkCase.objects.filter(Q(member=source) | Q(other=source), state=LinkCase.State.OPEN)
    ids = [str(row) for row in open_cases.order_by("id").values_list("id", flat=True)]
    over = {"closed_at": Clock(), "closed_by": str(SYSTEM)}
    between = open_cases.filter(member__in=[source, target], other__in=[source, target])
    between.update(state=LinkCase.State.MERGED, **over)
    open_cases.update(state=LinkCase.State.DECLINED, **over)
    return ids

"""Whether the member stands at the till."""

from loyalty import ledger, services
from loyalty.services.posting import source_of
from members.models import Member
from sync.act import Actor


def is_shown(member: Member, holder: Member | None, *, asked: dict, by: Actor) -> bool:
    """Whether the request proves that the member is there, by a code that is `holder`'s.

    Without a proof it is the act that asks for a session. A proof that is wrong is worse than none: another person may
    stand there; only what was done before under the same reference is done. Raises services.NotPresent.
    """
    if not asked.get("proof"):
        return False
    if holder is not None and holder.pk == member.pk:
        return True
    if ledger.known(member.pk, source_of(by), asked["reference"]):
        return False
    raise services.NotPresent

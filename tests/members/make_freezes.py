"""Members that two people froze."""

from datetime import datetime

from members import freezing, services
from members.models import Freeze, Member
from sync.act import Actor, act

ONE, OTHER = Actor("staff", "1"), Actor("staff", "2")


@act
def frozen(
    member: Member, *scopes: str, reason: str = "fraud", note: str = "", until: datetime | None = None
) -> Freeze:
    """Freeze a member for these scopes, everything unless some are named."""
    (held,) = services.lock(member.pk)
    return freezing.lay(held, scopes or freezing.EVERYTHING, reason, note, until, ONE, OTHER)


@act
def lifted(member: Member) -> list[str]:
    """Lift what a member is frozen for."""
    (held,) = services.lock(member.pk)
    return freezing.lift(held, OTHER)

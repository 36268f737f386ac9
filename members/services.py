"""What every act about members starts with, and the plain changes of one member."""

from collections.abc import Callable
from uuid import UUID

from members.models import Identity, Member
from sync.clock import Clock
from sync.http import Problem
from sync.rows import Rows

MEMBERS = Rows(Member)
LOCK = f"""
SELECT {MEMBERS.of("m")} FROM members_member m WHERE m.id = ANY(ARRAY(
    SELECT coalesce(asked.merged_into_id, asked.id) FROM members_member asked WHERE asked.id = ANY(%s)
)) ORDER BY m.id FOR NO KEY UPDATE
"""  # noqa: S608 - names of our own columns


def lock(*member_ids: UUID) -> list[Member]:
    """Lock members in ascending order and read them anew; an absorbed one gives its survivor, in the order asked.

    The first lock of an act. Only survivors are locked: whoever changes an absorbed member holds its survivor. Raises
    Problem `not_found` for an unknown id.
    """
    wanted = set(member_ids)
    while True:
        found = {member.id: member for member in MEMBERS.found(LOCK, [list(wanted)])}
        into = _absorbed(wanted - set(found))
        if {*into.values()} <= set(found) and not any(member.merged_into_id for member in found.values()):
            return [found[into.get(member_id, member_id)] for member_id in member_ids]


def _absorbed(member_ids: set[UUID]) -> dict[UUID, UUID | None]:
    """Who absorbed each of these members by now."""
    if not member_ids:
        return {}
    into = dict(Member.objects.filter(pk__in=member_ids).values_list("pk", "merged_into"))
    if len(into) < len(member_ids):
        raise Problem("not_found")
    return into


def present(member_id: UUID) -> Member:
    """The member, or who absorbed it, locked; raises Problem `not_found` for one that is erased, maybe just now."""
    (member,) = lock(member_id)
    if member.status == Member.Status.ERASED:
        raise Problem("not_found")
    return member


def touch(member: Member) -> None:
    """A change that readers of the member must notice: the next version, the time."""
    Member.objects.filter(pk=member.pk).update(version=member.version + 1, updated_at=Clock())
    member.refresh_from_db(fields=["version", "updated_at"])


def changed(member: Member, *fields: str) -> Callable[[], dict]:
    """The data of a fact about a member, read at the end of the act."""
    return lambda: {"id": str(member.id), "version": member.version, "changed": sorted(fields)}


def as_linked(member: Member, identity: Identity) -> Callable[[], dict]:
    """The data of a fact about one identity of a member."""
    channel = identity.channel and identity.channel.code
    named = {"id": str(identity.id), "kind": identity.kind, "channel": channel}
    return lambda: {"id": str(member.id), "version": member.version, "identity": named}


def told_of(identity: Identity) -> list[int] | None:
    """The sharing groups that are told of an identity: that of its channel, as only that one sees it; None: all."""
    return [identity.channel.group_id] if identity.channel else None


def openid(member_id: UUID, app_id: str) -> str | None:
    """The member's verified openid of an app, proven most recently."""
    found = Identity.objects.filter(member=member_id, kind="wechat_openid", namespace=app_id, proof="verified")
    newest = found.order_by("-last_seen_at").first()
    return newest and newest.value

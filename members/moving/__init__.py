"""What becomes of a member's own rows when two members become one, and when they part again.

Each part moves the source's rows to the target, keeps in a journal of ids what it did, and takes back by it what is
still as it was left. What is personal in a journal stands under `sealed`: it is kept apart, encrypted.
"""

from uuid import UUID

from members.models import Member
from members.moving import belongings, said, standing, ways_in
from sync import clock

PARTS = {"ways_in": ways_in, "belongings": belongings, "said": said, "standing": standing}


def move(source: UUID, target: UUID) -> dict:
    """Make the source's rows the target's; both are locked. Returns the journal for `restore`."""
    journal = {"at": clock.now().isoformat()}
    for name, part in PARTS.items():
        journal[name] = part.move(*_both(source, target))
    return journal


def restore(source: UUID, target: UUID, journal: dict) -> None:
    """Take `move` back: exactly when nothing happened since, else what is still as it was left."""
    for name, part in reversed(PARTS.items()):
        part.restore(*_both(source, target), journal[name], journal["at"])


def _both(source: UUID, target: UUID) -> tuple[Member, Member]:
    found = Member.objects.in_bulk([source, target])
    return found[source], found[target]

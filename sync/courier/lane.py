"""What a courier holds for one endpoint: claimed, and either under way or waiting for a place."""

from collections import deque
from dataclasses import dataclass
from time import monotonic
from uuid import UUID

from sync.courier.width import Width

FRESH = 2.0  # seconds that something claimed may wait for its place: it may have been withdrawn meanwhile


@dataclass(frozen=True)
class Claimed:
    """A delivery that is ours until its lease ends."""

    row: dict
    lease: UUID
    at: float  # monotonic


class Lane:
    """The way to one endpoint. Whoever takes a place gives it back."""

    def __init__(self):
        self.width = Width()
        self.ready: deque[Claimed] = deque()
        self.flying = 0

    @property
    def room(self) -> int:
        """How many more may be claimed."""
        return self.width.room(self.flying + len(self.ready))

    @property
    def has_place(self) -> bool:
        """Whether another may go at once."""
        return bool(self.ready) and self.flying < int(self.width.wide)

    @property
    def is_narrow(self) -> bool:
        """Whether more are under way than the endpoint bears now."""
        return self.flying > int(self.width.wide)

    def take_stale(self) -> list[Claimed]:
        """Those that waited too long for a place; they wait no more."""
        late, oldest = [], monotonic() - FRESH
        while self.ready and self.ready[0].at < oldest:
            late.append(self.ready.popleft())
        return late

    def take_all(self) -> list[Claimed]:
        """All that wait for a place; they wait no more."""
        left = list(self.ready)
        self.ready.clear()
        return left

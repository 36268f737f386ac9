"""Chance that falls the same each time, and ids to go with it."""

import random
from datetime import datetime, timedelta
from uuid import UUID

SEED = 20261122


class Dice(random.Random):
    """`random.Random` that also makes ids and numbers of a moment in the past."""

    def __init__(self, now: datetime):
        super().__init__(SEED)
        self.now = now
        self._numbers: set[str] = set()

    def uuid7(self, at: datetime) -> UUID:
        """A UUIDv7 of that moment."""
        milliseconds = int(at.timestamp() * 1000)
        return UUID(int=milliseconds << 80 | 7 << 76 | self.getrandbits(12) << 64 | 0b10 << 62 | self.getrandbits(62))

    def number(self, prefix: str, at: datetime) -> str:
        """A number to read aloud, given on that day in Shanghai."""
        while True:
            day = (at + timedelta(hours=8)).strftime("%Y%m%d")
            number = f"{prefix}{day}{self.randrange(10**8):08d}"
            if number not in self._numbers:
                self._numbers.add(number)
                return number

    def between(self, since: datetime, until: datetime) -> datetime:
        """A moment between two."""
        return since + (until - since) * self.random()

    def happens(self, share: float) -> bool:
        """Whether something with this probability happens."""
        return self.random() < share

"""When a failed delivery is tried again, and when it is dead. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

SPREAD = 0.2  # each pause is longer or shorter by up to this share
REFUSED_TRIES = 3
WORTH_REPEATING = {408, 425, 429}
GONE = 410


@dataclass(frozen=True)
class Outcome:
    """What came of one try. `status` is null without an answer, `error` a word for what went wrong.

    `connected`, `sent` and `answered` are milliseconds since its beginning, null when it did not come to that.
    """

    status: int | None
    error: str = ""
    retry_after: float | None = None
    response: str = ""
    milliseconds: int = 0
    connected: int | None = None
    sent: int | None = None
    answered: int | None = None

    @property
    def is_success(self) -> bool:
        return self.status is not None and 200 <= self.status < 300

    @property
    def is_refusal(self) -> bool:
        """An answer that says that repeating will not help."""
        return self.status is not None and 400 <= self.status < 500 and self.status not in WORTH_REPEATING

    @property
    def is_strain(self) -> bool:
        """A sign that the receiver cannot keep up, or is not there."""
        return self.status is None or self.status >= 500 or self.status in WORTH_REPEATING


@dataclass(frozen=True)
class Verdict:
    """The state a delivery takes, and the pause in seconds before the next try of one that waits."""

    state: str
    pause: float = 0.0


def verdict(outcome: Outcome, tries: int, schedule: Sequence[float], chance: float) -> Verdict:
    """What a try leads to. `tries` counts it; `chance` in [0, 1) spreads the pauses."""
    if outcome.is_success:
        return Verdict("delivered")
    hopeless = outcome.status == GONE or (outcome.is_refusal and tries >= REFUSED_TRIES)
    if hopeless or tries > len(schedule):
        return Verdict("dead")
    step = schedule[tries - 1]
    pause = step * (1 - SPREAD + 2 * SPREAD * chance)
    if outcome.retry_after is not None:
        pause = min(max(pause, outcome.retry_after), 2 * step)
    return Verdict("waiting", pause)

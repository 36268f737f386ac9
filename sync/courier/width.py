"""How many requests may be under way to one endpoint at once: what it bears, found out by trying. Pure.

A success widens by an eighth of a request, a sign of strain halves: a quick endpoint is asked by many at once after a
few hundred answers, one that cannot keep up or is not there by two.
"""

from sync.courier.schedule import Outcome

START, LEAST, MOST = 16, 2, 64
STEP = 1 / 8


class Width:
    """The width of one endpoint."""

    def __init__(self):
        self.wide = float(START)

    def learn(self, outcome: Outcome) -> None:
        """Widen or narrow by what came of a try; an answer that says nothing of strain changes nothing."""
        if outcome.is_success:
            self.wide = min(self.wide + STEP, MOST)
        elif outcome.is_strain:
            self.wide = max(self.wide / 2, LEAST)

    def room(self, busy: int) -> int:
        """How many more may go beside those that are under way."""
        return max(int(self.wide) - busy, 0)

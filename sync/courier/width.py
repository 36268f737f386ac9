"""How many requests may be under way to one endpoint at once: what it bears, found out by trying. Pure.

A success widens by an eighth of a request, a sign of strain halves: a quick endpoint is asked by many at once after a
few hundred answers, one that cannot keep up or is not there by two. For who answers quickly as many again are held
ready, so that the next are claimed while these are sent.
"""

from sync.courier.schedule import GONE, Outcome

START, LEAST, MOST = 16, 2, 64
STEP = 1 / 8
QUICK = 1_000  # milliseconds


class Width:
    """The width of one endpoint."""

    def __init__(self):
        self.wide = float(START)
        self.is_quick = False

    def learn(self, outcome: Outcome) -> None:
        """Widen or narrow by what came of a try; an answer that says nothing of strain changes nothing."""
        if outcome.is_success:
            self.wide = min(self.wide + STEP, MOST)
        elif outcome.is_strain:
            self.wide = max(self.wide / 2, LEAST)
        elif outcome.status == GONE:
            self.wide = LEAST
        self.is_quick = outcome.is_success and outcome.milliseconds < QUICK

    def room(self, held: int) -> int:
        """How many more may be claimed beside those that are held; for who is quick a whole width at a time."""
        wide = int(self.wide)
        if not self.is_quick:
            return max(wide - held, 0)
        return 2 * wide - held if held <= wide else 0

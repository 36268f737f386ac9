"""A bank: writers move points between accounts in one act each, and send the same again when they do not know whether
it happened. What a writer means to do and what came of it is in its own log, so that one killed goes on where it was.
"""

import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import UUID

from django.db import InterfaceError, OperationalError, connection

from loyalty import services
from members.services import lock
from sync.act import Actor, act, is_retried
from sync.models import Channel

NAME = "a bank's writer"  # as PostgreSQL sees their connections
BY = Actor("channel", "website", "website")
STRAIGHT, HELD, LET_GO = "straight", "held", "let go"  # ways to move points: the last moves none
DONE, REFUSED, DEADLOCK = "done", "refused", "deadlock"
MOST = 60
HOLD_FOR = services.holding.LONGEST


@act
def transfer(*, giver: UUID, taker: UUID, points: int, reference: str, gives_first: bool) -> None:
    """Spent by one and earned by the other, or neither."""
    lock(giver, taker)
    what = {"points": points, "reference": reference, "by": BY}
    if not gives_first:
        services.earn(member=taker, **what)
    services.spend(member=giver, **what)
    if gives_first:
        services.earn(member=taker, **what)


@act
def pass_on(*, hold: UUID, giver: UUID, taker: UUID, points: int, reference: str) -> None:
    """So many of the points one holds become the other's, the rest go back."""
    lock(giver, taker)
    if points:
        services.capture(hold=hold, points=points, by=BY)
        services.earn(member=taker, points=points, reference=reference, by=BY)
    else:
        services.release(hold=hold, by=BY)


class Writer:
    """One connection's work. `log` outlives it."""

    def __init__(self, name: str, members: list[UUID], log: Path):
        self.name, self.members, self.log = name, members, log
        self.random = random.Random(name)
        self.channel, self.introduced = Channel.objects.get(code="website"), False

    def run(self, is_over: Callable[[], bool]) -> None:
        """Finish what was begun, then begin anew until it is over; nothing is left without an outcome."""
        begun = jobs(self.log)
        for job in begun:
            if "outcome" not in job:
                self.finish(job)
        number = len(begun)
        while not is_over():
            job = self.next(number)
            self.note(job)
            self.finish(job)
            number += 1

    def next(self, number: int) -> dict:
        giver, taker = self.random.sample(self.members, 2)
        points = self.random.randint(1, MOST)
        return {
            "reference": f"{self.name}-{number}",
            "way": self.random.choice([STRAIGHT, STRAIGHT, HELD, LET_GO]),
            "giver": str(giver),
            "taker": str(taker),
            "points": points,
            "passed": self.random.randint(1, points),  # of what is held
            "gives_first": self.random.random() < 0.5,
        }

    def finish(self, job: dict) -> None:
        """Send it until its outcome is known."""
        while True:
            try:
                if connection.connection is not self.introduced:
                    introduce()
                    self.introduced = connection.connection
                outcome = self.send(job)
            except (OperationalError, InterfaceError) as error:
                if is_retried(error):
                    self.note({"reference": job["reference"], "saw": DEADLOCK})
                connection.close()  # killed before, in or after the commit: who knows
                self.introduced = False
            else:
                return self.note({"reference": job["reference"], "outcome": outcome})

    def send(self, job: dict) -> str:
        sides = {"giver": UUID(job["giver"]), "taker": UUID(job["taker"]), "reference": job["reference"]}
        try:
            if job["way"] == STRAIGHT:
                transfer(points=job["points"], gives_first=job["gives_first"], **sides)
            else:
                hold = self.hold(job)
                pass_on(hold=hold, points=job["passed"] if job["way"] == HELD else 0, **sides)
        except services.NotEnough:
            return REFUSED
        return DONE

    def hold(self, job: dict) -> UUID:
        asked = {"member": UUID(job["giver"]), "points": job["points"], "reference": f"hold:{job['reference']}"}
        return services.hold(channel=self.channel, expires_in=HOLD_FOR, by=BY, is_present=True, **asked)[0].pk

    def note(self, line: dict) -> None:
        with self.log.open("a") as log:
            log.write(json.dumps(line) + "\n")


def jobs(log: Path) -> list[dict]:
    """What a log tells, each with its outcome when it has one; `saw` is what went wrong on the way."""
    found = {}
    for line in lines(log):
        found.setdefault(line["reference"], {}).update(line)
    return list(found.values())


def lines(log: Path) -> Iterator[dict]:
    """Whole lines: who was killed may have left half of one, before it began."""
    for line in log.read_text().splitlines() if log.exists() else []:
        if line.endswith("}"):
            yield json.loads(line)


def introduce() -> None:
    """Let PostgreSQL know that this connection is a writer's, so that it can be killed."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('application_name', %s, FALSE)", [NAME])

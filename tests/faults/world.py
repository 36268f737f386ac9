"""A program beside the hub, on its database: makes members and endpoints, then writes facts at a steady pace.

Told in lines of JSON: `{"members", "addresses"}` gives the members with their tokens; `{"facts", "rate", "seed"}`
gives how many seconds it took to write them.
"""

import json
import random
import sys
import time

import django

django.setup()

from sync import act, clock, events  # noqa: E402 - models come after the setup
from sync.act import Actor  # noqa: E402
from sync.models import Endpoint  # noqa: E402
from tests import make  # noqa: E402
from tests.sync.receiver import SECRET  # noqa: E402

TYPES = ("order.updated", "points.earned")


def people(members: int, addresses: list[str]) -> list[dict]:
    """So many members of the website, who signed in and stepped up, and its endpoints: these and no others."""
    website = make.channel("website")
    Endpoint.objects.all().update(is_active=False)
    for address in addresses:
        Endpoint.objects.create(channel=website, url=address, secret=SECRET)
    known = {"stepped_up_at": clock.now()}
    made = [make.session(make.member(channel=website), website, **known) for _ in range(members)]
    return [{"id": str(each.member_id), "access": each.tokens.access} for each in made]


def write(members: list[dict], facts: int, rate: float, seed: int) -> float:
    """Acts of one to three facts about as many members, `rate` facts a second; how many seconds they took."""
    chance, written, began = random.Random(seed), 0, time.monotonic()
    while written < facts:
        if written > (time.monotonic() - began) * rate:
            time.sleep(0.002)
            continue
        about = chance.choices(members, k=chance.randint(1, min(3, facts - written)))
        told = [(each["id"], chance.choice(TYPES)) for each in about]
        act.outermost(lambda told=told: record(told))
        written += len(told)
    return time.monotonic() - began


def record(facts: list[tuple[str, str]]) -> None:
    for member, type in facts:
        by = Actor("member", member, "website")
        events.record(type, subject=events.of_member(member), data={"version": 1}, by=by)


def main() -> None:
    """Answer until nobody asks any more."""
    members = []
    for line in sys.stdin:
        asked = json.loads(line)
        if "members" in asked:
            members = answer = people(asked["members"], asked["addresses"])
        else:
            answer = write(members, **asked)
        print(json.dumps(answer), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()

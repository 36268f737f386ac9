"""A program beside the hub, on its database: makes members and endpoints, then writes facts at a steady pace.

Told in lines of JSON: `{"members", "addresses"}` gives the members with their tokens; `{"seconds", "rate", "seed"}`
gives the number of facts written.
"""

import json
import random
import sys
import time

import django

django.setup()

from sync import act, events  # noqa: E402 - models come after the setup
from sync.act import Actor  # noqa: E402
from sync.models import Endpoint  # noqa: E402
from tests import make  # noqa: E402
from tests.sync.receiver import SECRET  # noqa: E402

TYPES = ("order.updated", "points.earned")


def people(members: int, addresses: list[str]) -> list[dict]:
    """So many members of the website, signed in, and its endpoints: these and no others."""
    website = make.channel("website")
    Endpoint.objects.all().update(is_active=False)
    for address in addresses:
        Endpoint.objects.create(channel=website, url=address, secret=SECRET)
    made = [make.session(make.member(channel=website), website) for _ in range(members)]
    return [{"id": str(each.member_id), "access": each.tokens.access} for each in made]


def write(members: list[dict], seconds: float, rate: float, seed: int) -> int:
    """Acts of one to three facts about one or two members, `rate` facts a second; how many it wrote."""
    chance, written, began = random.Random(seed), 0, time.monotonic()
    while (passed := time.monotonic() - began) < seconds:
        if written > passed * rate:
            time.sleep(0.002)
            continue
        facts = [(each["id"], chance.choice(TYPES)) for each in chance.choices(members, k=chance.randint(1, 3))]
        act.outermost(lambda facts=facts: record(facts))
        written += len(facts)
    return written


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

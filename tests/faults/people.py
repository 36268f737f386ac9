"""What members do meanwhile: all of it through the web process's API, each call until it is answered."""

import asyncio
import random
from collections import defaultdict
from dataclasses import dataclass
from uuid import UUID

from tests.faults.outside import LiveClient, Outside

NAMES_A_SECOND = 20
COPIES = 10  # of all their data, which the worker makes


@dataclass(frozen=True, order=True)
class Errand:
    """A call that a member makes `at` so many seconds after the beginning."""

    at: float
    method: str
    path: str
    nickname: str = ""
    key: str = ""

    async def run(self, outside: Outside, client: LiveClient) -> None:
        asked = {"If-Match": "*", "Idempotency-Key": self.key} if self.key else {"If-Match": "*"}
        body = {"nickname": self.nickname} if self.nickname else None
        await outside.insist(self.method, self.path, client.headers | asked, body)


def errands(clients: list[LiveClient], seconds: float, seed: int) -> dict[LiveClient, list[Errand]]:
    """Who does what and when: new names all the time, each a fact; copies to the very end, which tell nobody."""
    chance, found = random.Random(seed), defaultdict(list)
    for number in range(names_within(seconds)):
        errand = Errand(number / NAMES_A_SECOND, "PATCH", "me", nickname=f"第{number}个")
        found[chance.choice(clients)].append(errand)
    for number, client in enumerate(chance.sample(clients, COPIES), 1):
        key = str(UUID(int=chance.getrandbits(128), version=4))
        found[client].append(Errand(seconds * number / COPIES, "POST", "me/exports", key=key))
    return found


def names_within(seconds: float) -> int:
    """How many new names there are in so many seconds."""
    return int(seconds * NAMES_A_SECOND)


async def go_about(outside: Outside, seconds: float, seed: int) -> None:
    """All errands, each member's one after the other; whoever is held up hurries afterwards."""
    began = asyncio.get_running_loop().time()

    async def one(client: LiveClient, own: list[Errand]) -> None:
        for errand in sorted(own):
            await asyncio.sleep(max(0.0, began + errand.at - asyncio.get_running_loop().time()))
            await errand.run(outside, client)

    plan = errands(outside.clients, seconds, seed)
    await asyncio.gather(*(one(client, own) for client, own in plan.items()))

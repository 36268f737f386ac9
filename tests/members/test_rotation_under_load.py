"""20,000 people's data goes under new keys while others are served: nobody is refused, missed, or made twice."""

import random
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest
from django.db import connections

from members.models import Identity, Member
from sync import rotation
from sync.secret import blind_index, mask_phone
from tests import make

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow, pytest.mark.timeout(400)]
PEOPLE = 20_000
OLD, NEW = b"o" * 32, b"n" * 32


def phone(n: int) -> str:
    return f"+86138{n:08d}"


@pytest.fixture
def people(settings) -> list[Member]:
    settings.INDEX_KEYS, settings.FIELD_KEYS = {1: OLD}, {1: OLD}
    channel = make.channel()
    known = [Member(number=f"M{n:010}", home_channel=channel, phone=phone(n)) for n in range(PEOPLE)]
    for each in known:
        each.phone_mask, each.phone_last4 = mask_phone(each.phone), each.phone[-4:]
    Member.objects.bulk_create(known, batch_size=2_000)
    said = {"kind": "phone", "proof": "asserted", "channel": channel}
    rows = (Identity(member=each, value=each.phone, mask=each.phone_mask, **said) for each in known)
    Identity.objects.bulk_create(rows, batch_size=2_000)
    return known


class Load:
    """Clients that name people, read and change them for as long as it takes."""

    def __init__(self, people: list[Member]):
        self.people, self.over, self.served = people, Event(), Counter()
        self.newcomers = iter(range(PEOPLE, 10 * PEOPLE))
        make.policies()

    def keep_on(self, seed: int) -> None:
        try:
            chance, backend = random.Random(seed), make.backend_client()
            reader = make.member_client(make.member())
            while not self.over.is_set():
                self.known(backend, chance.randrange(PEOPLE))
                self.new(backend)
                self.read(reader)
        finally:
            connections.close_all()

    def known(self, backend, n: int) -> None:
        answer = backend.post("members/resolve", {"identities": [{"kind": "phone", "value": phone(n)}]})
        told = {"member": {"id": str(self.people[n].pk)}, "created": False}
        assert (answer.status_code, answer.json()) == (200, told)
        self.served["known"] += 1

    def new(self, backend) -> None:
        named = {"identities": [{"kind": "phone", "value": phone(next(self.newcomers))}]}
        first, again = (backend.post("members/resolve", named).json() for _twice in range(2))
        assert (first["created"], again) == (True, first | {"created": False})
        self.served["new"] += 1

    def read(self, reader) -> None:
        assert reader.get("me").status_code == 200
        self.served["read"] += 1


def test_twenty_thousand_people_change_keys_under_load(settings, people):
    load, put = Load(people), {}
    with ThreadPoolExecutor(4) as pool:
        clients = [pool.submit(load.keep_on, seed) for seed in range(4)]
        try:
            for index_keys, field_keys in (
                ({1: OLD, 2: NEW}, {2: NEW, 1: OLD}),  # each step is what a restart of all processes brings
                ({2: NEW, 1: OLD}, {2: NEW, 1: OLD}),
                ({2: NEW}, {2: NEW}),
            ):
                settings.INDEX_KEYS, settings.FIELD_KEYS = index_keys, field_keys
                put |= {step.table: step.done for step in rotation.rotate() if step.done}
        finally:
            load.over.set()
        for client in clients:
            client.result()

    assert min(load.served.values()) > 50, load.served
    assert min(put["members_member"], put["members_identity"]) >= PEOPLE
    assert rotation.left() == {}
    assert Identity.objects.filter(value_index=blind_index("phone", phone(7))).get().value == phone(7)
    assert Identity.objects.filter(kind="phone").count() == PEOPLE + load.served["new"]

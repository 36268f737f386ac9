"""Two brands in two sharing groups on one hub: neither learns anything of the other by any call of the contract.

A crawler over the served OpenAPI, as each of a brand's callers, with everything the other brand has in paths and
bodies: no answer holds a trace of it, nothing of it changes, and every list reads as if the other were not there.
"""

import json
import re
from dataclasses import dataclass, field

import pytest

from loyalty import services as loyalty
from orders.models import Line
from sync.act import Actor
from sync.clock import Clock
from sync.models import Event
from tests import make
from tests.config.endpoints import NUMBER, UNKNOWN, Endpoint, all_of_them
from tests.config.test_every_endpoint import signed
from tests.loyalty import make_holds
from tests.members import make_merging, make_privacy, make_proofs
from tests.orders import make_orders, make_parcels, make_refunds
from tests.sync import test_relay

pytestmark = pytest.mark.django_db(transaction=True)
ENDPOINTS = all_of_them()
BRANDS = {"website": ("brand", "甲", 1), "elsewhere": ("another brand", "乙", 2)}
TOO_SHORT = 12  # characters: shorter identifiers are found by chance
NEW = ("request_id", "cursor", "ticket", "url", "last_seen_at", "member_code")
ALWAYS_NEW = re.compile(rf'"({"|".join(NEW)})": ?"[^"]*"')


@dataclass
class Brand:
    """A channel with all it can have. `traces` are texts that nobody else may be told."""

    code: str
    member: object
    channel: object
    parameters: dict[str, str]
    line: str
    traces: set[str] = field(default_factory=set)

    def callers(self) -> dict[str, make.Caller]:
        """Its member just signed in and confirmed, its backend with a new key, its client before anybody signs in."""
        return {
            "member": make.member_client(self.member, self.channel, stepped_up_at=Clock()),
            "backend": make.backend_client(self.channel),
            "client": make.client(self.channel),
        }


def brand(code: str) -> Brand:
    """A brand with a member who has used everything."""
    group, name, points = BRANDS[code]
    before = identifiers()
    channel = make.channel(code, group=group)
    by = Actor("channel", code, code)
    member = make_merging.rich(f"{name}的会员", channel=code, points=0)
    entry = loyalty.earn(member=member.pk, points=70 + points, reference=f"earned-by-{code}", by=by, channel=channel)
    hold = make_holds.hold(member, 3 + points, f"held-by-{code}", by)
    order = make_parcels.paid(member=member, channel=channel, fen=10_000 + points, external_id=f"order-of-{code}")
    parcel = make_parcels.ship(order, number=f"SF{points}00000000000", is_fact=True)
    make_refunds.refund(order, (1, 100), by=by)
    guest = make_orders.order(channel=channel, fen=20_000 + points, external_id=f"guest-of-{code}")
    session = make.session(member, channel)
    test_relay.settle()
    identity = member.identities.get(kind="phone")
    made = Brand(
        code,
        member,
        channel,
        {
            "number": order.number,
            "shipment_id": str(parcel.pk),
            "address_id": str(member.addresses.first().pk),
            "export_id": str(make_privacy.asked_for(member, "export").pk),
            "session_id": str(session.pk),
            "identity_id": str(identity.pk),
            "case_id": str(make_proofs.case_of(member, make.member(channel=channel)).pk),
            "member": str(member.pk),
            "member_id": str(member.pk),
            "entry": str(entry.pk),
            "hold": str(hold.pk),
        },
        str(Line.objects.filter(order=order).first().pk),
    )
    shown = {name, f"earned-by-{code}", f"held-by-{code}", f"order-of-{code}", f"guest-of-{code}", guest.number}
    made.traces = shown | {parcel.tracking_number, member.phone} | (identifiers() - before)
    return made


def identifiers() -> set[str]:
    """Everything in the database that identifies a row: ids, numbers, whatever else is its key."""
    rows = (row for text in make.snapshot().values() for row in json.loads(text))
    return {str(row[key]) for row in rows for key in ("id", "number", "pk") if len(str(row.get(key, ""))) > TOO_SHORT}


def rows_of(brand: Brand) -> list[str]:
    """Every row in which the brand can be seen."""
    texts = (json.dumps(row, sort_keys=True) for text in make.snapshot().values() for row in json.loads(text))
    known = re.compile("|".join(re.escape(json.dumps(trace)[1:-1]) for trace in brand.traces))
    return sorted(text for text in texts if known.search(text))


def ask(endpoint: Endpoint, caller: make.Caller, parameters: dict, body, **query):
    """One call, with a signature where one is asked for; none of what is wrong with it matters."""
    raw = b"" if body is None else json.dumps(body).encode()
    headers = caller.headers | {"If-Match": "*"} | (signed(caller.channel, raw) if endpoint.is_signed else {})
    if endpoint.is_signed:
        headers["X-Channel"] = caller.channel.code
    client = make.Http(raise_request_exception=False)
    url = endpoint.url(**parameters)
    if endpoint.method == "GET":
        return client.get(url, query, headers=headers)
    return client.generic(endpoint.method, url, raw, content_type="application/json", headers=headers)


def about(brand: Brand, body):
    """The same body, with the brand's objects wherever it names one."""
    if isinstance(body, dict):
        return {key: brand.line if key == "line_id" else about(brand, value) for key, value in body.items()}
    if isinstance(body, list):
        return [about(brand, each) for each in body]
    return {UNKNOWN: str(brand.member.pk), NUMBER: brand.parameters["number"]}.get(body, body)


def found(answer, brand: Brand, *asked) -> list[str]:
    """What of the brand an answer tells beyond what was asked with."""
    told = answer.content.decode(errors="replace") + json.dumps(dict(answer.headers))
    told += json.dumps(answer.json(), ensure_ascii=False) if answer.content else ""
    return [trace for trace in brand.traces if trace in told and trace not in json.dumps(asked, ensure_ascii=False)]


def read(endpoint: Endpoint, caller: make.Caller, parameters: dict) -> tuple[int, str]:
    """What a GET answers, less what is new each time."""
    answer = ask(endpoint, caller, parameters, None, **({"limit": "100"} if endpoint.takes("limit") else {}))
    return answer.status_code, ALWAYS_NEW.sub("", answer.content.decode(errors="replace"))


READS = [endpoint for endpoint in ENDPOINTS if endpoint.method == "GET"]
SIDES = pytest.mark.parametrize(("mine", "theirs"), [("website", "elsewhere"), ("elsewhere", "website")])


@pytest.fixture(autouse=True)
def world(db):
    make.policies()
    make_parcels.carriers()


@SIDES
def test_no_answer_tells_anything_of_the_other_brand_and_nothing_of_it_changes(mine, theirs):
    own, other = brand(mine), brand(theirs)
    before, leaks = rows_of(other), []
    for endpoint in sorted(ENDPOINTS, key=lambda each: each.method != "GET"):
        for kind, caller in own.callers().items():
            for parameters in (own.parameters, other.parameters):
                body = about(other, endpoint.body)
                answer = ask(endpoint, caller, parameters, body)
                assert answer.status_code != 500, (endpoint, kind, answer.content)  # 503: an outside that is not there
                if told := found(answer, other, parameters, body):
                    leaks.append((str(endpoint), kind, answer.status_code, told))
    assert leaks == []
    assert [row for row in rows_of(other) if row not in before] == []
    assert [row for row in before if row not in rows_of(other)] == []


@SIDES
def test_every_read_is_the_same_whether_or_not_the_other_brand_is_there(mine, theirs):
    own = brand(mine)
    callers = own.callers()
    before = {(each, kind): read(each, callers[kind], own.parameters) for each in READS for kind in callers}
    assert sum(status == 200 for status, _content in before.values()) > len(READS) / 2
    other = brand(theirs)
    assert Event.objects.filter(subject=f"member/{other.member.pk}").exists()
    after = {(endpoint, kind): read(endpoint, callers[kind], own.parameters) for endpoint, kind in before}
    assert {k: (v, after[k]) for k, v in before.items() if after[k] != v} == {}


@SIDES
def test_what_the_other_brand_has_is_found_by_its_own_callers(mine, theirs):
    """The crawler can see: what it looks for is there for whom it concerns."""
    own = brand(mine)
    brand(theirs)
    callers = own.callers().values()
    answers = [ask(endpoint, caller, own.parameters, None) for endpoint in READS for caller in callers]
    told = {trace for answer in answers for trace in found(answer, own)}
    assert {own.parameters["number"], str(own.member.pk), f"earned-by-{mine}", f"order-of-{mine}"} <= told
    assert told & {str(id) for id in Event.objects.values_list("id", flat=True)}


def test_of_a_person_who_is_with_both_a_backend_is_not_told_what_they_do_with_the_other():
    own, other = brand("website"), make.channel("elsewhere", group="another brand")
    backend = own.callers()["backend"]
    make.session(own.member, other)
    test_relay.settle()
    before = {endpoint: read(endpoint, backend, own.parameters) for endpoint in READS}
    known = identifiers()
    order = make_parcels.paid(member=own.member, channel=other, fen=34_567, external_id="order-elsewhere")
    make_parcels.ship(order, number="SF99999999999", is_fact=True)
    test_relay.settle()
    there = Brand("elsewhere", own.member, other, own.parameters, "", {"order-elsewhere", "SF99999999999"})
    there.traces |= identifiers() - known
    assert {endpoint: found(ask(endpoint, backend, own.parameters, None), there) for endpoint in READS} == {
        endpoint: [] for endpoint in READS
    }
    changed = {str(endpoint) for endpoint in READS if read(endpoint, backend, own.parameters) != before[endpoint]}
    assert changed == {"GET members/{member}/points"}  # one person, one balance, wherever it was earned

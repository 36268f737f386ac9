"""Two brands in two sharing groups on one hub, each with all that a channel can have, and what gives one away."""

import json
import re
from dataclasses import dataclass, field

from loyalty import services as loyalty
from orders.models import Line, Order
from sync.act import Actor
from sync.clock import Clock
from tests import make
from tests.config.endpoints import Endpoint
from tests.config.test_every_endpoint import signed
from tests.loyalty import make_holds
from tests.members import make_merging, make_privacy, make_proofs
from tests.orders import make_orders, make_parcels, make_refunds
from tests.sync import test_relay

BRANDS = {"website": ("brand", "甲", 1), "elsewhere": ("another brand", "乙", 2)}
TOO_SHORT = 12  # characters: shorter identifiers are found by chance


@dataclass
class Brand:
    """A channel with all it can have. `traces` are texts that nobody else may be told; `parameters` fill paths."""

    code: str
    member: object
    channel: object
    order: Order
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


def world() -> None:
    """What both brands stand on: policies, carriers, a rule that earns."""
    make.policies()
    make_parcels.carriers()
    make_orders.earning()


def brand(code: str) -> Brand:
    """A brand with a member who has used everything."""
    group, name, points = BRANDS[code]
    before = identifiers()
    channel = make.channel(code, group=group, kind="website")
    by = Actor("channel", code, code)
    member = make_merging.rich(f"{name}的会员", channel=code, points=0)
    entry = loyalty.earn(member=member.pk, points=70 + points, reference=f"earned-by-{code}", by=by, channel=channel)
    hold = make_holds.hold(member, 3 + points, f"held-by-{code}", by)
    order = make_parcels.paid(member=member, channel=channel, fen=10_000 + points, external_id=f"order-of-{code}")
    parcel = make_parcels.ship(order, number=f"SF{points}00000000000", is_fact=True)
    make_parcels.track(parcel, ("02:00", "shipped"))
    refund = make_refunds.refund(order, (1, 100), by=by, external_id=f"refund-of-{code}")
    guest = make_orders.order(channel=channel, fen=20_000 + points, external_id=f"guest-of-{code}")
    session = make.session(member, channel)
    test_relay.settle()
    made = Brand(
        code,
        member,
        channel,
        order,
        {
            "number": order.number,
            "shipment_id": str(parcel.pk),
            "address_id": str(member.addresses.first().pk),
            "export_id": str(make_privacy.asked_for(member, "export").pk),
            "session_id": str(session.pk),
            "identity_id": str(member.identities.get(kind="phone").pk),
            "case_id": str(make_proofs.case_of(member, make.member(channel=channel)).pk),
            "member": str(member.pk),
            "member_id": str(member.pk),
            "entry": str(entry.pk),
            "hold": str(hold.pk),
        },
        str(Line.objects.filter(order=order).first().pk),
    )
    shown = {name, f"earned-by-{code}", f"held-by-{code}", f"order-of-{code}", f"guest-of-{code}", guest.number}
    shown |= {refund.external_id, refund.number, parcel.tracking_number, member.phone, f"order:{order.number}:paid"}
    made.traces = shown | (identifiers() - before)
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


def found(answer, brand: Brand, *asked) -> list[str]:
    """What of the brand an answer tells beyond what was asked with."""
    told = answer.content.decode(errors="replace") + json.dumps(dict(answer.headers))
    told += json.dumps(answer.json(), ensure_ascii=False) if answer.content else ""
    return [trace for trace in brand.traces if trace in told and trace not in json.dumps(asked, ensure_ascii=False)]

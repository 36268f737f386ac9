"""Two brands on one hub: what names a thing of the other brand is answered as if it named nothing at all.

Each call is made twice, rightly in shape: with what nobody has, then with what the other brand has. Both answers are
the same: not even that it exists can be found out. Where the contract itself lets one tell, it says so here.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

import pytest

from orders.models import Order
from sync.http import instant
from sync.models import InboxMessage
from tests import make
from tests.config import make_brands
from tests.config.make_brands import BRANDS, Brand, brand, found, rows_of
from tests.members import make_proofs
from tests.orders import make_orders, make_parcels
from tests.sync import test_relay
from tests.sync.push import counts, event, push

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]
SIDES = pytest.mark.parametrize(("mine", "theirs"), [("website", "elsewhere"), ("elsewhere", "website")])
UNKNOWN = "0193a8f0-0000-7000-8000-00000000000"


@dataclass(frozen=True)
class Names:
    """All by which things are known that a channel has, or that nobody has."""

    number: str
    external_id: str
    member: str
    phone: str
    customer: str
    unionid: str
    openid: str
    reference: str
    held: str
    transaction: str
    line: str
    entry: str
    hold: str
    tracking: str
    refund: str
    total_fen: int
    token: str
    grant: str
    case: str
    channel: str


def nobodys() -> Names:
    """What is right in shape and known to nobody."""
    words = ("nothing", "a-stranger", "a-unionid", "an-openid", "no-reference", "not-held", "no-transaction")
    external_id, customer, unionid, openid, reference, held, transaction = words
    line, entry, hold, case, member = (f"{UNKNOWN}{n}" for n in range(5))
    named = {"external_id": external_id, "customer": customer, "unionid": unionid, "openid": openid}
    named |= {"reference": reference, "held": held, "transaction": transaction, "refund": "no-refund"}
    named |= {"line": line, "entry": entry, "hold": hold, "case": case, "member": member, "total_fen": 1}
    named |= {"number": "D2026112200000000", "tracking": "SF90000000000", "token": "hub_at_x", "grant": "hub_sg_x"}
    return Names(phone="+8613800000000", channel="nowhere", **named)


def all_of(brand: Brand) -> Names:
    """What the brand has."""
    name, known = BRANDS[brand.code][1], brand.parameters
    backend, person = brand.callers()["backend"], f"{name}的会员"
    grant = {"identity": {"kind": "external", "value": f"customer-{person}"}, "consents": [], "device": ""}
    return Names(
        number=known["number"],
        external_id=f"order-of-{brand.code}",
        member=known["member"],
        phone=brand.member.phone,
        customer=f"customer-{person}",
        unionid=f"unionid-of-{person}",
        openid=f"openid-of-{person}",
        reference=f"earned-by-{brand.code}",
        held=f"held-by-{brand.code}",
        transaction=brand.order.number,
        line=brand.line,
        entry=known["entry"],
        hold=known["hold"],
        tracking=brand.order.shipments.first().tracking_number,
        refund=f"refund-of-{brand.code}",
        total_fen=brand.order.total_fen,
        token=make.session(brand.member, brand.channel).tokens.access,
        grant=backend.post("sign-in-grants", grant).json()["grant"],
        case=known["case_id"],
        channel=brand.code,
    )


@dataclass
class Own:
    """The brand that asks, with something new for each call to act on."""

    brand: Brand
    callers: dict[str, make.Caller]

    @classmethod
    def of(cls, brand: Brand) -> "Own":
        return cls(brand, brand.callers())

    def paid(self) -> Order:
        return make_parcels.paid(member=self.brand.member, channel=self.brand.channel, fen=500)

    def case(self):
        """A case of the brand's member about another of the brand's."""
        someone = make.member(channel=self.brand.channel, phone=make.mobile())
        return make_proofs.case_of(self.brand.member, someone).pk


@dataclass(frozen=True)
class Call:
    """One call, and what it answers."""

    who: str
    method: str
    path: str
    body: dict
    status: int
    code: str | None = None


def reads(own: Own, of: Names) -> Iterator[Call]:
    """Lists asked for what is not the brand's, and single things."""
    yield Call("backend", "get", "orders", {"external_id": of.external_id}, 200)
    yield Call("member", "get", "me/orders", {"channel": of.channel}, 200)
    for path in (f"orders/{of.number}", f"orders/{of.number}/recipient", f"members/{of.member}"):
        yield Call("backend", "get", path, {}, 404, "not_found")
    yield Call("backend", "get", f"members/{of.member}/points", {}, 404, "not_found")
    yield Call("member", "get", f"me/orders/{of.number}", {}, 404, "not_found")
    yield Call("member", "get", f"link-cases/{of.case}", {}, 404, "not_found")


def orders(own: Own, of: Names) -> Iterator[Call]:
    """A channel's own numbers may be those of others; of others' orders and members it can do nothing."""
    basket = make_orders.body(100, external_id=of.external_id)
    yield Call("backend", "post", "orders", basket, 201)
    yield Call("backend", "post", "orders", make_orders.body(100, member_id=of.member), 404, "not_found")
    for identity in ({"kind": "external", "value": of.customer}, {"kind": "wechat_openid", "value": of.openid}):
        yield Call("backend", "post", "orders", make_orders.body(100, identity=identity), 201)
    yield Call("backend", "patch", f"orders/{of.number}", {"shipping_fen": 1}, 404, "not_found")
    for step in ("cancel", "delivered", "completed"):
        yield Call("backend", "post", f"orders/{of.number}/{step}", {}, 404, "not_found")
    parcel = {"carrier": "shunfeng", "tracking_number": of.tracking}
    yield Call("backend", "post", f"orders/{of.number}/shipments", parcel, 404, "not_found")
    yield Call("backend", "post", f"orders/{own.paid().number}/shipments", parcel, 201)
    yield Call("member", "post", f"me/orders/{of.number}/cancel", {}, 404, "not_found")
    yield Call("member", "post", f"me/orders/{of.number}/payments", {"method": "wechat_native"}, 404, "not_found")


def money(own: Own, of: Names) -> Iterator[Call]:
    """Payments and refunds of one's own with others' numbers."""
    given = {"provider": "offline", "transaction_id": of.transaction, "amount_fen": 500, "paid_at": instant(make.NOON)}
    yield Call("backend", "post", f"orders/{of.number}/payments", given, 404, "not_found")
    theirs = {"line_id": of.line, "quantity": 1}
    whole = {"external_id": of.refund, "items": [theirs | {"amount_fen": 1}]}
    yield Call("backend", "post", f"orders/{of.number}/refunds", whole, 404, "not_found")
    paid = own.paid()
    yield Call("backend", "post", f"orders/{paid.number}/refunds", whole, 400, "invalid")  # no line of this order
    mine = whole | {"items": [{"line_id": str(paid.lines.first().pk), "quantity": 1, "amount_fen": 1}]}
    yield Call("backend", "post", f"orders/{paid.number}/refunds", mine, 201)  # a refund's number is its channel's own
    asked = {"items": [theirs], "reason": ""}
    yield Call("member", "post", f"me/orders/{paid.number}/refunds", asked, 400, "invalid")  # no line of this order


def points(own: Own, of: Names) -> Iterator[Call]:
    """Entries and holds; references are each channel's own."""
    me = own.brand.member.pk
    given = {"kind": "earn", "points": 1, "reason": "", "reference": of.reference}
    yield Call("backend", "post", f"members/{of.member}/points/entries", given, 404, "not_found")
    yield Call("backend", "post", f"members/{me}/points/entries", given, 201)
    held = {"points": 1, "reference": of.held, "expires_in": 60}
    yield Call("backend", "post", f"members/{of.member}/points/holds", held, 404, "not_found")
    yield Call("backend", "post", f"members/{me}/points/holds", held, 201)
    yield Call("backend", "post", "points/quote", {"member_id": of.member, "items_fen": 100}, 404, "not_found")
    yield Call("backend", "post", f"points/entries/{of.entry}/reverse", {}, 404, "not_found")
    for what in ("capture", "release"):
        yield Call("backend", "post", f"points/holds/{of.hold}/{what}", {}, 404, "not_found")


def people(own: Own, of: Names) -> Iterator[Call]:
    """A channel's customer numbers and openids are in its own namespace; nobody is found by those of others."""
    yield Call("backend", "patch", f"members/{of.member}", {"nickname": "新"}, 404, "not_found")
    for identity in ({"kind": "external", "value": of.customer}, {"kind": "wechat_openid", "value": of.openid}):
        yield Call("backend", "post", "members/resolve", {"identities": [identity]}, 200)
        yield Call("backend", "post", "sign-in-grants", {"identity": identity}, 201)
        elsewhere = identity | {"kind": "wechat_openid", "app_id": f"wx-{of.channel}"}  # an app of one's own, or none
        yield Call("backend", "post", "members/resolve", {"identities": [elsewhere]}, 400, "invalid")
        yield Call("backend", "post", "sign-in-grants", {"identity": elsewhere}, 400, "invalid")
    yield Call("client", "post", "auth/grant", {"grant": of.grant}, 400, "code_invalid")  # each for its own channel


def proofs(own: Own, of: Names) -> Iterator[Call]:
    """Cases of others, and what is theirs brought forward in a case about somebody else."""
    tried = (
        {"kind": "order_fact", "number": of.number, "total_fen": of.total_fen},
        {"kind": "old_sign_in", "access_token": of.token},
    )
    for proof in tried:
        yield Call("member", "post", f"link-cases/{of.case}/proofs", proof, 404, "not_found")
        yield Call("member", "post", f"link-cases/{own.case()}/proofs", proof, 400, "code_invalid")
    yield Call("member", "post", f"link-cases/{of.case}/challenges", {"kind": "sms"}, 404, "not_found")
    yield Call("member", "post", f"link-cases/{of.case}/decline", {}, 404, "not_found")


SUBJECTS = [reads, orders, money, points, people, proofs]


def made(call: Call, own: Own):
    """The answer, which is what was to be expected of it."""
    send = getattr(own.callers[call.who], call.method)
    answer = send(call.path, **call.body) if call.method == "get" else send(call.path, call.body)
    shown = answer.json() if answer.content else {}
    assert (answer.status_code, shown.get("code")) == (call.status, call.code), (call, shown)
    return answer


@pytest.fixture(autouse=True)
def world(db):
    make_brands.world()


@SIDES
def test_what_the_other_brand_has_is_answered_as_what_nobody_has(mine, theirs):
    own, other = Own.of(brand(mine)), brand(theirs)
    before, names = rows_of(other), all_of(other)
    unknown = [made(call, own) for subject in SUBJECTS for call in subject(own, nobodys())]
    known = [(call, made(call, own)) for subject in SUBJECTS for call in subject(own, names)]
    assert [told for call, answer in known if (told := found(answer, other, call.path, call.body))] == []
    assert listed(unknown) == listed([answer for _call, answer in known])
    assert [row for row in before if row not in rows_of(other)] == []


@SIDES
def test_a_place_in_a_list_of_the_other_brand_is_a_place_in_one_s_own(mine, theirs):
    own, other = Own.of(brand(mine)), brand(theirs)
    there, answers = other.callers(), []
    for who, path in (("backend", "orders"), ("member", "me/orders"), ("member", "me/points/entries")):
        following = urlsplit(there[who].get(path, limit=1).json()["next"])
        place = {"cursor": parse_qs(following.query)["cursor"][0]}
        answers.append((own.callers[who].get(path, limit=100, **place), place))
    mine_told = own.callers["member"].get("me/events", after=1, limit=100)
    answers.append((mine_told, {}))
    assert [answer.status_code for answer, _place in answers] == [200] * 4
    assert [told for answer, place in answers if (told := found(answer, other, place))] == []
    subject = {event["subject"] for event in mine_told.json()["results"]}
    assert subject == {f"member/{own.brand.member.pk}"}
    beyond = own.callers["member"].get("me/events", after=mine_told.json()["head"] + 1)
    assert (beyond.status_code, beyond.json()["head"]) == (410, mine_told.json()["head"])
    cursor = there["backend"].get("feed", limit=1).json()["cursor"]
    refused = own.callers["backend"].get("feed", after=cursor)  # sealed for the sharing group that it was given to
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (400, "after")
    assert found(refused, other, cursor) == []


def listed(answers) -> list:
    """What the lists among them hold."""
    return [answer.json()["results"] for answer in answers if answer.content and "results" in answer.json()]


def facts(own: Own, of: Names) -> Iterator[tuple[str, dict, str, str]]:
    """What can be pushed of the other's orders, members and points, and what becomes of it: state and problem."""
    named, of_member = {"number": of.number}, {"member_id": of.member}
    customer = {"identity": {"kind": "external", "value": of.customer}}
    money = {"provider": "offline", "transaction_id": of.transaction, "amount_fen": 500, "paid_at": instant(make.NOON)}
    refund = {"external_id": of.refund, "items": [{"line_id": of.line, "quantity": 1, "amount_fen": 1}]}
    given = {"points": 1, "reason": "", "reference": of.reference}
    yield "order.placed", make_orders.body(100, **of_member), "quarantined", "not_found"
    yield "order.updated", named | {"shipping_fen": 1}, "quarantined", "not_found"
    yield "order.paid", named | money, "quarantined", "not_found"
    yield "order.shipped", named | {"carrier": "shunfeng", "tracking_number": of.tracking}, "quarantined", "not_found"
    for step in ("cancelled", "delivered", "completed"):
        yield f"order.{step}", named, "quarantined", "not_found"
        yield f"order.{step}", {"external_id": of.external_id}, "parked", ""  # an order of the channel's own to come
    yield "order.refunded", named | refund, "quarantined", "not_found"
    for whose in (of_member, customer):
        yield "points.earned", whose | given, "quarantined", "not_found"
        yield "points.spent", whose | given, "quarantined", "not_found"
        yield "points.reversed", whose | {"reference": of.reference}, "quarantined", "not_found"
        yield "member.updated", whose | {"nickname": "新"}, "quarantined", "not_found"
    yield "points.reversed", {"entry": of.entry}, "quarantined", "not_found"
    yield "points.reversed", {"reference": of.reference}, "quarantined", "not_found"


def pushed(own: Own, of: Names, prefix: str) -> list[tuple[str, str]]:
    """Push each of them; what became of them: state and problem."""
    channel, kept = own.brand.channel, InboxMessage.objects.filter(sender=f"channels/{own.brand.code}")
    for n, (type, data, _state, _problem) in enumerate(facts(own, of)):
        # a subject of its own: what waits holds nothing up
        fact = event(f"{prefix}{n}", type, channel=channel.code, subject=f"order/{prefix}{n}", data=data)
        answer = push(channel, fact)
        assert (answer.status_code, answer.json()) == (202, counts(accepted=1)), (type, answer.content)
    return list(kept.filter(message_id__startswith=prefix).order_by("id").values_list("state", "problem"))


@SIDES
def test_what_is_pushed_of_the_other_brand_s_finds_nothing(mine, theirs):
    own, other = Own.of(brand(mine)), brand(theirs)
    names = all_of(other)
    pushed(Own.of(other), nobodys(), "known")  # the very ids that the other brand gave its own messages
    before = rows_of(other)
    expected = [(state, problem) for _type, _data, state, problem in facts(own, names)]
    assert pushed(own, nobodys(), "nobody's") == expected
    assert pushed(own, names, "known") == expected
    assert [row for row in before if row not in rows_of(other)] == []
    own_rows = [row for row in rows_of(other) if row not in before]
    assert all("channels/" in row for row in own_rows), own_rows  # the messages themselves


@SIDES
def test_who_the_hub_itself_proved_is_found_by_a_phone_and_nothing_is_told_but_the_id(mine, theirs):
    """Of the contract: an asserted identity gives write-only reach, and its answer is the member's id."""
    own, other = Own.of(brand(mine)), brand(theirs)
    backend, names, id = own.callers["backend"], all_of(other), other.parameters["member"]
    phone, own_number = {"kind": "phone", "value": names.phone}, {"kind": "external", "value": "my-customer-7"}
    for said in ([phone], [{"kind": "wechat_unionid", "value": names.unionid}], [own_number, phone]):
        answer = backend.post("members/resolve", {"identities": said})
        assert answer.json() == {"member": {"id": id}, "created": False}
    given = {"kind": "earn", "points": 1, "reason": "", "reference": names.reference}
    written = backend.post(f"members/{id}/points/entries", given)
    assert (written.status_code, written.json()["balance"]) == (201, None)
    assert written.json()["entry"]["available_after"] is None
    spent = backend.post(f"members/{id}/points/entries", given | {"kind": "spend", "reference": "s"})
    held = backend.post(f"members/{id}/points/holds", {"points": 1, "reference": "h", "expires_in": 60})
    assert [each.json()["code"] for each in (spent, held)] == ["member_proof_required"] * 2
    bought = backend.post("orders", make_orders.body(100, identity=phone))
    assert (bought.status_code, bought.json()["member_id"]) == (201, id)
    test_relay.settle()
    for path in (f"members/{id}", f"members/{id}/points"):
        assert backend.get(path).status_code == 404
    for path in ("feed", "orders"):
        told = set(found(backend.get(path, limit=100), other)) - {id, *found(bought, other), *found(written, other)}
        assert told == set(), path


@SIDES
def test_a_transaction_counts_once_on_the_hub_and_whose_it_is_is_not_told(mine, theirs):
    """Of the contract: (provider, transaction_id) is unique hub-wide."""
    own, other = Own.of(brand(mine)), brand(theirs)
    money = {"provider": "offline", "transaction_id": other.order.number, "amount_fen": 500}
    order = make_orders.order(member=own.brand.member, channel=own.brand.channel, fen=500)
    path = f"orders/{order.number}/payments"
    answer = own.callers["backend"].post(path, money | {"paid_at": instant(make.NOON)})
    assert (answer.status_code, answer.json()["code"]) == (409, "reference_conflict")
    assert found(answer, other) == []

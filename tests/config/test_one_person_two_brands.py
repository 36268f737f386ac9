"""A person who is with two brands in two sharing groups: one member, one balance; what they do with one of the brands
is told to nobody of the other, by answers, by the feed or by webhooks."""

import json
from datetime import timedelta

import pytest
from django.db.models import F

from loyalty import services as loyalty
from loyalty.models import Account, Entry, Lot
from loyalty.services import settling
from orders.services.placing import Redeeming
from sync import clock
from sync.act import Actor
from sync.models import Delivery, Event
from tests import make
from tests.config import make_brands
from tests.config.make_brands import Brand, ask, brand, found, identifiers
from tests.config.test_two_brands import READS, read
from tests.orders import make_parcels, make_refunds
from tests.sync import make_deliveries, test_relay

pytestmark = pytest.mark.django_db(transaction=True)
THERE = Actor("channel", "elsewhere", "elsewhere")
DAY = timedelta(days=1)


@pytest.fixture(autouse=True)
def world(db):
    make_brands.world()


@pytest.fixture
def own() -> Brand:
    """A brand with its member, who is with another brand as well; both are pushed every fact."""
    made, other = brand("website"), make.channel("elsewhere", group="another brand", kind="website")
    make.member_client(made.member, other)
    for channel in (made.channel, other):
        make_deliveries.endpoint(channel)
    test_relay.settle()
    return made


def bought(own: Brand, **fields):
    """The person buys at the other brand, and is sent it; returns the order."""
    other = make.channel("elsewhere")
    known = {"fen": 34_567, "external_id": "order-elsewhere"}
    order = make_parcels.paid(member=own.member, channel=other, **known | fields)
    make_parcels.ship(order, number="SF99999999999", is_fact=True)
    return order


def all_of_points(own: Brand) -> None:
    """Everything that can move a balance, with the other brand."""
    other, member = make.channel("elsewhere"), own.member.pk
    named = {"member": member, "channel": other, "by": THERE}
    held = {"expires_in": timedelta(hours=1), "is_present": True}
    order = bought(own, redeeming=Redeeming(10, is_present=True))
    make_refunds.refund(order, (1, 10_000), by=THERE, done=True)
    given = loyalty.book(kind="earn", points=50, reference="gift-elsewhere", **named).entry
    loyalty.book(kind="spend", points=5, reference="spent-elsewhere", is_present=True, **named)
    loyalty.reverse(entry=given.pk, by=THERE)
    for reference, close in (("hold-elsewhere", loyalty.capture), ("let-go-elsewhere", loyalty.release)):
        hold, _is_new = loyalty.hold(points=7, reference=reference, **named, **held)
        close(hold=hold.pk, by=THERE)


def traces_there(own: Brand, known: set[str]) -> Brand:
    """What came to be with the other brand since only these identifiers were there."""
    shown = {"order-elsewhere", "SF99999999999", "elsewhere"}
    shown |= set(Entry.objects.filter(channel__code="elsewhere").values_list("reference", flat=True))
    return Brand("elsewhere", own.member, own.channel, own.order, own.parameters, "", shown | (identifiers() - known))


def test_a_backend_is_not_told_what_they_do_with_the_other(own):
    backend = own.callers()["backend"]
    before, known = {endpoint: read(endpoint, backend, own.parameters) for endpoint in READS}, identifiers()
    all_of_points(own)
    test_relay.settle()
    there = traces_there(own, known)
    told = {str(endpoint): found(ask(endpoint, backend, own.parameters, None), there) for endpoint in READS}
    assert {endpoint: traces for endpoint, traces in told.items() if traces} == {}
    changed = {str(endpoint) for endpoint in READS if read(endpoint, backend, own.parameters) != before[endpoint]}
    assert changed == {"GET members/{member}/points"}  # one person, one balance, wherever it was earned


def test_points_are_pushed_to_the_brand_where_they_moved_and_read_by_both(own):
    known = set(Event.objects.values_list("pk", flat=True))
    all_of_points(own)
    test_relay.settle()
    news = Event.objects.exclude(pk__in=known)
    kinds = {"earned", "spent", "held", "released", "reversed"}
    assert {f"points.{kind}" for kind in kinds} <= set(news.values_list("type", flat=True))
    pushed = Delivery.objects.filter(event__in=news)
    assert not pushed.filter(endpoint__channel=own.channel).exists()
    there = make.backend_client("elsewhere")
    fed = [event["id"] for event in there.get("feed", limit=100).json()["results"]]
    assert {str(event.pk) for event in news} <= set(fed)
    path = f"members/{own.member.pk}/points"
    assert there.get(path).json() == make.backend_client(own.channel).get(path).json()


def test_what_the_hub_itself_does_to_points_both_brands_are_told(own):
    """Points expire from one balance: it is said how many, not where they were earned."""
    named = {"member": own.member.pk, "channel": make.channel("elsewhere"), "by": THERE}
    loyalty.book(kind="earn", points=20, reference="soon-over-elsewhere", expires_at=clock.now() + DAY, **named)
    Lot.objects.filter(entry__reference="soon-over-elsewhere").update(expires_at=F("expires_at") - 2 * DAY)
    Account.objects.filter(member=own.member).update(due_at=F("updated_at"))
    settling.settle(own.member.pk)
    loyalty.earn(member=own.member.pk, points=5, reference="for-a-birthday", by=make.STAFF)
    test_relay.settle()
    expired, given = Event.objects.filter(subject=f"member/{own.member.pk}").order_by("-sequence")[:2][::-1]
    assert (expired.type, given.type) == ("points.expired", "points.earned")
    assert (expired.data["entry"]["points"], expired.data["entry"]["channel"]) == (-20, None)
    assert "elsewhere" not in expired.data["entry"]["reference"]
    for event in (expired, given):
        pushed = Delivery.objects.filter(event=event)
        assert {each.endpoint.channel.code for each in pushed} == {"website", "elsewhere"}


def test_of_the_person_themselves_a_backend_is_told_what_changed_and_not_where(own):
    backend = own.callers()["backend"]
    known = set(Event.objects.values_list("pk", flat=True))
    there, said = make.backend_client("elsewhere"), [{"kind": "phone", "value": own.member.phone}]
    assert (
        make.member_client(own.member, "elsewhere").patch("me", {"nickname": "新"}, {"If-Match": "*"}).status_code
        == 200
    )
    said += [{"kind": "external", "value": "their-number-7"}]
    assert there.post("members/resolve", {"identities": said}).json()["created"] is False
    bought(own, fen=134_567)
    test_relay.settle()
    fed = fresh(backend, known)
    assert {(event["type"], event["source"]) for event in fed} == {("member.updated", "/hub"), ("tier.changed", "/hub")}
    assert "elsewhere" not in json.dumps(fed)
    pushed = Delivery.objects.filter(endpoint__channel=own.channel).exclude(event__in=known)
    assert {str(each.event_id) for each in pushed} == {event["id"] for event in fed}
    assert "member.identity_linked" in {event["type"] for event in fresh(there, known)}


def fresh(backend, known: set) -> list[dict]:
    """What the feed tells a backend that was not there before."""
    told = backend.get("feed", limit=100).json()["results"]
    return [event for event in told if event["id"] not in {str(each) for each in known}]


def test_they_themselves_are_told_all_of_it_whichever_brand_they_are_with(own):
    all_of_points(own)
    here, there = (make.member_client(own.member, code) for code in ("website", "elsewhere"))
    for path in ("me/points/entries", "me/events", "me/orders", "me/points"):
        assert here.get(path, limit=100).json() == there.get(path, limit=100).json(), path
    references = {entry["reference"] for entry in here.get("me/points/entries", limit=100).json()["results"]}
    assert {"gift-elsewhere", "earned-by-website"} <= references

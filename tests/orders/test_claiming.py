"""A guest's orders become the member's who proves their phone: by SMS or WeChat, once, with what they earned."""

# ruff: noqa: F811 - fixtures of the doors people come through

from datetime import timedelta

import pytest
from django.utils import timezone

from members import services as members
from members.models import Member
from orders import queries, reconcile, services
from orders.models import Order
from orders.services.claiming import claim
from sync.act import Actor, act
from sync.models import Audience
from tests import make
from tests.loyalty.make_points import at_once, balance
from tests.members.conftest import agreed, bearer, doors, outside  # noqa: F401
from tests.orders import make_orders as o
from tests.orders import make_points as p

pytestmark = pytest.mark.django_db
PHONE = "+8613800138000"
CONTACT = {"phone": PHONE, "name": "李雷"}
BY = Actor("member", "1", "website")


def guests(**fields) -> Order:
    return o.order(**{"contact": CONTACT, "placed_at": timezone.now()} | fields)


@act
def claimed(member: Member, phone: str = PHONE) -> list[str]:
    members.lock(member.pk)
    return claim(member=member.pk, phone=phone, by=BY)


def numbers_of(client) -> list[str]:
    return [order["number"] for order in client.get("me/orders").json()["results"]]


def test_signing_in_by_sms_claims_what_was_ordered_with_the_phone(doors, bearer):
    mine, theirs = guests(), guests(contact={"phone": "+8613900139000", "name": ""})
    client = bearer(doors.sms("13800138000"), "website")
    assert numbers_of(client) == [mine.number]
    assert Order.objects.get(pk=theirs.pk).member_id is None
    member = Member.objects.get()
    assert make.types_of(member)[-1] == "order.claimed"
    (event,) = [each for each in make.events_of(member) if each.type == "order.claimed"]
    assert (event.data["member_id"], event.data["version"]) == (str(member.pk), 2)
    assert (event.actor, event.source) == (f"member/{member.pk}", "/channels/website")
    assert make.types_of(f"order/{mine.number}") == ["order.placed"]


def test_signing_in_again_claims_what_was_ordered_meanwhile(doors, bearer):
    bearer(doors.sms("13800138000"), "website")
    order = guests()
    assert numbers_of(bearer(doors.sms("13800138000"), "website")) == [order.number]


@pytest.mark.parametrize("how", ["link_by_sms", "link_by_wechat"])
def test_proving_a_phone_within_a_session_claims(doors, bearer, how):
    make.channel("mini-program")
    client = bearer(doors.mini_program("openid-1"))
    order = guests()
    phone = PHONE if how == "link_by_wechat" else "13800138000"
    assert numbers_of(bearer(getattr(doors, how)(client, phone))) == [order.number]


def test_folding_into_the_phones_owner_claims_for_the_owner(doors, bearer):
    make.channel("mini-program")
    owner = make.member(phone=PHONE)
    order = guests()
    client = bearer(doors.mini_program("openid-1"))
    answer = doors.link_by_sms(client, "13800138000")
    assert answer.json()["absorbed_member_id"]
    assert Order.objects.get(pk=order.pk).member_id == owner.pk


def test_a_phone_that_turns_out_to_be_anothers_claims_nothing(doors, bearer):
    make.channel("mini-program")
    make.member(phone=PHONE)
    order = guests()
    client = bearer(doors.mini_program("openid-1"))
    o.order(member=Member.objects.exclude(phone_mask__gt="").get(), channel="mini-program")  # of value: not folded
    answer = doors.link_by_sms(client, "13800138000")
    assert answer.json()["link_case"] is not None
    assert Order.objects.get(pk=order.pk).member_id is None


def test_events_after_the_claim_are_the_members():
    order, member = guests(), make.member(phone=PHONE)
    assert claimed(member) == [order.number]
    p.paid(order)
    assert make.types_of(member) == ["order.claimed", "order.paid"]
    assert make.types_of(f"order/{order.number}") == ["order.placed"]


def test_a_paid_order_earns_by_being_claimed_as_it_would_have_when_it_was_paid():
    o.earning()
    order, member = p.paid(guests()), make.member(phone=PHONE)
    assert order.points_earned == 0
    claimed(member)
    shown = queries.as_order(queries.whole().get(pk=order.pk))
    assert (shown["points_earned"], shown["member_id"], shown["version"]) == (129, str(member.pk), 3)
    assert balance(member) == (129, 0, 0, 0)
    assert make.types_of(member)[:2] == ["order.claimed", "points.earned"]
    assert list(reconcile.earnings()) == []


def test_what_was_refunded_before_brings_nothing():
    o.earning()
    order, member = p.paid(guests(lines=2)), make.member(phone=PHONE)
    line = order.lines.first()
    services.refund(
        order=order.pk,
        channel=order.channel,
        external_id="R1",
        items=[{"line_id": line.pk, "quantity": 1, "amount_fen": 6_450}],
        shipping_fen=0,
        reason="",
        executed={"provider": "offline", "transaction_id": "B-1", "refunded_at": make.NOON},
        by=make.BACKEND,
    )
    claimed(member)
    assert balance(member)[0] in {64, 65}
    assert list(reconcile.earnings()) == []


def test_claiming_again_changes_nothing():
    o.earning()
    p.paid(guests())
    member = make.member(phone=PHONE)
    claimed(member)
    before = make.snapshot()
    assert claimed(member) == []
    assert claimed(make.member()) == []
    assert {k: v for k, v in make.snapshot().items() if "member" not in k and k != "sync_audience"} == {
        k: v for k, v in before.items() if "member" not in k and k != "sync_audience"
    }


@pytest.mark.parametrize(("days", "is_claimed"), [(89, True), (91, False)], ids=["within ninety days", "longer ago"])
def test_an_order_of_long_ago_may_be_of_the_numbers_former_holder(days, is_claimed):
    order = guests(placed_at=timezone.now() - timedelta(days=days))
    assert claimed(make.member(phone=PHONE)) == ([order.number] if is_claimed else [])


def test_without_a_contact_the_receivers_phone_tells_whose_it_is():
    address = {"receiver": "韩梅梅", "phone": PHONE, "street": "龙井路 1 号"}
    found = guests(contact=None, address=address)
    guests(contact={"phone": "+8613900139000", "name": ""}, address=address)
    assert claimed(make.member(phone=PHONE)) == [found.number]


@pytest.mark.parametrize(
    "standing",
    [make.FROZEN, {"status": "frozen", "frozen_scopes": ["orders"]}, {"status": "erased"}],
    ids=["frozen", "may not order", "erased"],
)
def test_who_may_not_order_claims_nothing(standing):
    order, member = guests(), make.member(**standing)
    before = make.snapshot()
    assert claimed(member) == []
    assert make.snapshot() == before
    assert Order.objects.get(pk=order.pk).member_id is None


def test_a_member_of_another_group_sees_the_order_and_its_channel_nothing_of_the_member():
    store = make.channel("store", group="other")
    order, member = guests(channel=store), make.member(phone=PHONE)
    assert claimed(member) == [order.number]
    assert numbers_of(make.member_client(member)) == [order.number]
    backend = make.backend_client(store)
    assert backend.get(f"orders/{order.number}").json()["member_id"] == str(member.pk)
    assert backend.get(f"members/{member.pk}").status_code == 404
    assert make.backend_client("website").get(f"orders/{order.number}").status_code == 404
    assert not Audience.objects.filter(subject=f"member/{member.pk}", channel=store).exists()


@pytest.mark.parametrize("rows", [1, 3])
def test_claiming_asks_a_few_times_for_each_order(django_assert_num_queries, rows):
    for _row in range(rows):
        guests()
    member = make.member(phone=PHONE)
    with django_assert_num_queries(6 + rows):
        claimed(member)


@pytest.mark.django_db(transaction=True)
def test_many_claims_at_once_are_one():
    o.earning()
    orders, member = [p.paid(guests(), f"R-{n}") for n in range(3)], make.member(phone=PHONE)

    found = at_once(8, lambda _n: claimed(member))

    assert sorted(number for each in found for number in each) == sorted(order.number for order in orders)
    assert make.types_of(member).count("order.claimed") == 3
    assert balance(member) == (387, 0, 0, 0)
    assert list(reconcile.earnings()) == []


@pytest.mark.django_db(transaction=True)
def test_a_guests_order_claimed_and_paid_at_once_earns_once():
    o.earning()
    for n in range(5):
        order, member = guests(), make.member()
        works = [lambda order=order, n=n: p.paid(order, f"R-{n}"), lambda member=member: claimed(member)]
        at_once(2, lambda turn, works=works: works[turn]())
        after = Order.objects.get(pk=order.pk)
        assert (after.member_id, after.payment_status, after.points_earned) == (member.pk, "paid", 129)
        assert balance(member) == (129, 0, 0, 0)
    assert list(reconcile.earnings()) == []

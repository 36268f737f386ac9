"""快递100: subscribed to with the parcel's own address and salt, asked where it is silent, believed when it signs."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from orders import services
from orders.models import Order, Recipient, Shipment
from orders.shipping import following, kuaidi100
from orders.shipping.pushes import ANSWER
from sync import secret
from sync.models import InboxMessage, Measure
from tests import make
from tests.orders import courier as c
from tests.orders import make_parcels as p

pytestmark = pytest.mark.django_db
ADDRESS = {"receiver": "张三", "phone": "+8613800138000", "street": "龙井路 1 号"}


@pytest.fixture
def outside(db, settings):
    p.carriers()
    with c.listening(settings) as courier:
        yield courier


@pytest.fixture
def parcel(outside):
    """A parcel of 圆通 that is followed."""
    sent = p.ship(p.paid(member=make.member()), carrier="yuantong", number="YT1")
    following.follow_due()
    sent.refresh_from_db()
    return sent


def watched(parcel: Shipment) -> tuple[str, str]:
    parcel.refresh_from_db()
    return parcel.watch, parcel.watch_problem


def due(parcel: Shipment) -> None:
    """Its next time has come."""
    Shipment.objects.filter(pk=parcel.pk).update(watch_at=timezone.now() - timedelta(seconds=1))


def measured(name: str) -> bool:
    return Measure.objects.filter(name=name).exists()


def test_a_parcel_is_subscribed_to_once(outside, parcel, settings):
    (asked,) = outside.subscribed
    token = asked["parameters"]["callbackurl"].rpartition("/")[2]
    assert (asked["company"], asked["number"], asked["key"]) == ("yuantong", "YT1", "key")
    assert asked["parameters"]["callbackurl"] == f"{settings.PUBLIC_URL}/callbacks/kuaidi100/{token}"
    assert asked["parameters"]["salt"] == following.salt_of(token)
    assert "phone" not in asked["parameters"]
    assert bytes(parcel.callback) == secret.digest(token)
    assert watched(parcel) == ("followed", "")
    assert following.follow_due() == 0


def test_some_carriers_tell_only_who_knows_the_phones_last_digits(outside):
    p.ship(p.paid(member=make.member(), address=ADDRESS))
    p.ship(p.paid(member=make.member()), number="SF2")
    assert Recipient.objects.count() == 1
    following.follow_due()
    told = {each["number"]: each["parameters"].get("phone") for each in outside.subscribed}
    assert sorted(told.values(), key=str) == ["8000", None]
    assert told["SF2"] is None


@pytest.mark.parametrize("carrier", ["Nobody's Courier", "pickup", "virtual"])
def test_what_nobody_can_follow_is_not_subscribed_to(outside, carrier):
    p.ship(p.paid(member=make.member()), carrier=carrier)
    p.ship(p.paid(member=make.member()), carrier="SF", number="S" * 40)
    assert following.follow_due() == 0
    assert outside.subscribed == []


def test_without_an_account_nothing_is_awaited(outside, settings):
    settings.KUAIDI100_KEY = ""
    order = p.paid(member=make.member())
    assert p.ship(order).watch == "none"
    order.refresh_from_db()
    assert order.completes_at is not None
    assert following.follow_due() == following.ask_due() == 0


def test_a_refused_subscription_is_measured_asked_about_and_awaited_no_more(outside):
    outside.code = "700"
    order = p.paid(member=make.member())
    parcel = p.ship(order)
    following.follow_due()
    assert watched(parcel) == ("refused", "refused 700")
    assert measured("kuaidi100.refused")
    order.refresh_from_db()
    assert order.completes_at is not None
    assert following.follow_due() == 0
    due(parcel)
    outside.last = c.param(parcel, c.entry("14:08", "签收"), state="3")["lastResult"] | {"status": "200"}
    assert following.ask_due() == 1
    order.refresh_from_db()
    assert order.fulfilment_status == "delivered"
    due(parcel)
    assert following.ask_due() == 0


def test_an_answer_that_does_not_come_is_tried_again_at_growing_distance(outside):
    outside.status = 503
    parcel = p.ship(p.paid(member=make.member()))
    pauses = []
    for _try in range(3):
        due(parcel)
        following.follow_due()
        parcel.refresh_from_db()
        pauses.append(round((parcel.watch_at - timezone.now()) / timedelta(minutes=1)))
    assert (parcel.watch, pauses) == ("wanted", [1, 2, 4])
    Shipment.objects.update(watch_tries=following.TRIES)
    due(parcel)
    following.follow_due()
    assert watched(parcel) == ("refused", "gave up")


def test_a_silent_parcel_is_asked_about_for_sixty_days(outside, parcel):
    assert following.ask_due() == 0
    due(parcel)
    assert following.ask_due() == 1
    assert outside.asked == [{"com": "yuantong", "num": "YT1", "phone": "", "resultv2": "4"}]
    assert watched(parcel)[0] == "followed"  # nothing was known
    due(parcel)
    Shipment.objects.update(shipped_at=timezone.now() - timedelta(days=61))
    following.ask_due()
    assert watched(parcel)[0] == "over"
    assert Order.objects.get().completes_at is not None


def test_a_push_is_kept_applied_and_answered_as_they_want_it(parcel):
    answer = c.push(parcel, c.param(parcel, c.entry("14:08", "派件"), c.entry("09:00"), state="5"))
    assert answer.status_code == 200
    assert answer.content.decode() == '{"result": true, "returnCode": "200", "message": "成功"}'
    message = InboxMessage.objects.get()
    assert (message.sender, message.type, message.state) == ("kuaidi100/customer", "kuaidi100.push", "applied")
    parcel.refresh_from_db()
    assert parcel.state == "out_for_delivery"
    assert make.types_of(parcel.order.member)[-1] == "order.tracking_updated"


def test_the_same_push_again_changes_nothing(parcel):
    told = c.param(parcel, c.entry("14:08"))
    c.push(parcel, told)
    before = make.snapshot()
    assert c.push(parcel, told).json() == ANSWER
    assert make.snapshot() == before


def test_what_is_not_signed_with_the_parcels_salt_is_refused(parcel):
    told, token = c.param(parcel, c.entry("14:08", "签收"), state="3"), following.token_of(parcel)
    right = kuaidi100.signed("{}", following.salt_of(token))
    for sign in ("", "0" * 32, right, right.lower(), "é", kuaidi100.signed("{}", "")):
        answer = c.push(parcel, told, sign=sign)
        assert (answer.status_code, answer.json()["code"]) == (401, "signature_invalid")
    parcel.refresh_from_db()
    assert (parcel.state, InboxMessage.objects.count()) == ("shipped", 0)
    assert measured("kuaidi100.pushes_refused")


def test_every_byte_of_a_push_counts(parcel):
    told = '{"status":"polling","lastResult":{"nu":"YT1","state":"3","data":[]}}'
    sign = kuaidi100.signed(told, following.salt_of(following.token_of(parcel)))
    for n in range(len(told)):
        changed = told[:n] + chr(ord(told[n]) ^ 1) + told[n + 1 :]
        assert c.push(parcel, changed, sign=sign).status_code == 401
    assert c.push(parcel, told, sign=sign).status_code == 200


def test_a_token_that_follows_nothing_is_a_path_that_leads_nowhere(parcel):
    told = c.param(parcel, c.entry("14:08"))
    nowhere = Client(raise_request_exception=False).post("/callbacks/nowhere/at-all", {})
    for token in ("x", following.token_of(parcel)[:-1], "x" * 2_000, "％", "'--"):
        answer = c.push(parcel, told, token=token)
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
        assert answer.json().keys() == nowhere.json().keys()
    assert not InboxMessage.objects.exists()


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{", '"x"', "null", '{"lastResult": []}', '{"lastResult": {"nu": "YT2", "data": []}}', '{"a":1,"a":2}',
     '{"lastResult": {"nu": "YT1"}, "x": ' + "[" * 50 + "]" * 50 + "}", '{"status": NaN}', '{"status": "\\u0000"}'],
)  # fmt: skip
def test_what_is_signed_but_no_push_about_this_parcel_is_refused(parcel, text):
    answer = c.push(parcel, text)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid")
    assert not InboxMessage.objects.exists()


def test_only_post_is_answered(parcel):
    url = f"/callbacks/kuaidi100/{following.token_of(parcel)}"
    client = Client(raise_request_exception=False)
    assert client.get(url).status_code == client.put(url).status_code == 405
    for kind in (
        "application/json",
        "text/plain",
        "application/x-www-form-urlencoded; charset=bz2",
        "multipart/form-data",
    ):
        answer = client.generic("POST", url, b"{}", content_type=kind)
        assert 400 <= answer.status_code < 500
        assert answer["Content-Type"] == "application/problem+json"


def test_a_corrected_waybill_hears_nothing_of_the_old_one(outside, parcel):
    told, token = c.param(parcel, c.entry("14:08", "签收"), state="3"), following.token_of(parcel)
    services.correct_shipment(shipment=parcel.pk, tracking_number="YT2", by=p.by())
    assert c.push(parcel, told, token=token).status_code == 404
    following.follow_due()
    assert [each["number"] for each in outside.subscribed] == ["YT1", "YT2"]
    assert c.push(parcel, told, token=token).status_code == 404
    parcel.refresh_from_db()
    assert c.push(parcel, c.param(parcel, c.entry("15:00"))).status_code == 200


def test_giving_up_is_answered_by_subscribing_anew_three_times(outside, parcel):
    for times in (1, 2, 3):
        c.push(parcel, c.param(parcel, status="abort", message="3天查询无记录"))
        assert watched(parcel) == ("wanted", f"aborted {times}")
        assert 29 <= (parcel.watch_at - timezone.now()) / timedelta(minutes=1) <= 30
        c.push(parcel, c.param(parcel, status="abort", message="3天查询无记录"))  # told twice
        assert watched(parcel) == ("wanted", f"aborted {times}")
        due(parcel)
        following.follow_due()
        assert watched(parcel) == ("followed", f"aborted {times}")
    c.push(parcel, c.param(parcel, status="abort", message="3天查询无记录"))
    assert watched(parcel)[0] == "refused"
    assert len(outside.subscribed) == 4


def test_shutdown_ends_it_and_updateall_tells_all_again(parcel):
    c.push(parcel, c.param(parcel, c.entry("10:00"), status="updateall"))
    assert watched(parcel)[0] == "followed"
    c.push(parcel, c.param(parcel, c.entry("14:08", "签收"), c.entry("10:00"), state="3", status="shutdown"))
    assert watched(parcel)[0] == "over"
    assert (parcel.state, parcel.watch_at) == ("delivered", None)
    assert following.ask_due() == 0


def test_another_carrier_is_found_to_carry_it(parcel):
    told = c.param(parcel, c.entry("10:00"), autoCheck="1", comOld="yuantong", comNew="shentong")
    c.push(parcel, told)
    parcel.refresh_from_db()
    assert (parcel.carrier, parcel.carried_by_id) == ("yuantong", "shentong")
    assert make.events_of(parcel.order.member)[-1].data["shipments"][0]["carrier_name"] == "申通快递"
    c.push(parcel, c.param(parcel, c.entry("11:00"), autoCheck="1", comNew="unheard-of"))
    parcel.refresh_from_db()
    assert parcel.carried_by_id == "shentong"


def test_two_orders_in_one_box_are_both_told(outside, parcel):
    outside.code = "501"
    other = p.ship(o_paid := p.paid(member=make.member()), carrier="yuantong", number="YT1")
    following.follow_due()
    assert watched(other) == ("followed", following.SHARED)
    told = c.param(parcel, c.entry("14:08"))
    outside.last = told["lastResult"] | {"status": "200"}
    c.push(parcel, told)
    assert following.ask_due() == 1
    assert make.types_of(o_paid.member)[-1] == "order.tracking_updated"


def test_fakes_stay_within_their_own_parcel(outside, parcel):
    """A token of one parcel tells nothing of another, even with its waybill."""
    other = p.ship(o_order := p.paid(member=make.member()), carrier="yuantong", number="YT9")
    following.follow_due()
    other.refresh_from_db()
    answer = c.push(parcel, c.param(other, c.entry("14:08", "签收"), state="3"))
    assert answer.status_code == 400
    o_order.refresh_from_db()
    assert o_order.fulfilment_status == "shipped"

"""What the guide for integrators says between its examples: refusals, defaults, how long things last."""

import re
from datetime import timedelta

import pytest
from django.conf import settings
from django.utils import timezone

from members import challenges, codes, granting, registration, rules, website_login
from orders.models import OrderTerms
from orders.services import claiming
from sync import consumers
from sync.http import instant
from sync.models import Channel, Scope
from tests import make
from tests.docs.test_integrate import CHINESE, GUIDE, both, guide
from tests.orders import make_orders as o

pytestmark = pytest.mark.django_db
WHERE = {"receiver": "李", "province": "浙江省", "city": "杭州市", "street": "龙井路 1 号"}
C_1 = {"kind": "external", "value": "C-1"}


@pytest.fixture
def shop():
    make.policies()
    return make.backend_client(make.channel("website"))


def told(answer) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def paid(shop, external_id: str, **fields) -> str:
    """An order of one line that the shop took the money of: its number."""
    placed = shop.post("orders", o.body(external_id=external_id, **fields)).json()
    money = {"provider": "alipay", "transaction_id": f"T-{external_id}", "amount_fen": placed["total_fen"]}
    answer = shop.post(f"orders/{placed['number']}/payments", money | {"paid_at": placed["placed_at"]})
    assert answer.status_code == 201
    return placed["number"]


def test_an_order_of_an_identity_that_the_hub_does_not_know_is_a_guests(shop):
    assert shop.post("orders", o.body(external_id="W-1", identity=C_1)).json()["member_id"] is None
    known = shop.post("members/resolve", {"identities": [C_1]}).json()["member"]["id"]
    assert shop.post("orders", o.body(external_id="W-2", identity=C_1)).json()["member_id"] == known


def test_a_gift_is_its_buyers_and_not_of_whom_it_goes_to(shop):
    gift = {"contact": {"phone": "13900139001", "name": "王"}, "address": WHERE | {"phone": "13900139002"}}
    sent = shop.post("orders", o.body(external_id="W-1", **gift)).json()["number"]
    plain = shop.post("orders", o.body(external_id="W-2", address=WHERE | {"phone": "13900139002"})).json()["number"]
    giver, receiver = make.member(), make.member()
    assert claiming.claim(member=receiver.id, phone="+8613900139002", by=make.STAFF) == [plain]
    assert claiming.claim(member=giver.id, phone="+8613900139001", by=make.STAFF) == [sent]


def test_who_is_known_from_elsewhere_is_written_to_and_not_read(shop):
    stranger = make.member(channel=make.channel("app", group="other"), phone="+8613600136000")
    said = {"identities": [C_1, {"kind": "phone", "value": "13600136000"}]}
    assert shop.post("members/resolve", said).json() == {"member": {"id": str(stranger.id)}, "created": False}
    assert told(shop.get(f"members/{stranger.id}")) == (404, "not_found")
    assert told(shop.post("orders", o.body(external_id="W-1", member_id=str(stranger.id)))) == (404, "not_found")
    placed = shop.post("orders", o.body(external_id="W-1", identity=C_1)).json()
    assert placed["member_id"] == str(stranger.id)
    earned = {"kind": "earn", "points": 5, "reason": "", "reference": "r-1"}
    assert shop.post(f"members/{stranger.id}/points/entries", earned).status_code == 201


def test_a_channel_without_grants_is_refused_one(shop):
    Channel.objects.filter(code="website").update(sign_in_methods=["phone"])
    assert told(shop.post("sign-in-grants", {"identity": C_1, "consents": []})) == (403, "forbidden")


def test_a_grant_that_was_used_is_refused(shop):
    asked = {"identity": C_1, "consents": make.policies()}
    grant, page = shop.post("sign-in-grants", asked).json()["grant"], make.client("website")
    assert page.post("auth/grant", {"grant": grant}).status_code == 200
    assert told(page.post("auth/grant", {"grant": grant})) == (400, "code_invalid")


def test_money_told_twice_is_counted_once_and_a_number_stands_for_one_payment(shop):
    first, second = (shop.post("orders", o.body(external_id=name)).json() for name in ("W-1", "W-2"))
    money = {"provider": "wechat_shop", "transaction_id": "T", "amount_fen": first["total_fen"]}
    money |= {"paid_at": first["placed_at"]}
    answers = [shop.post(f"orders/{first['number']}/payments", money).status_code for _ in range(2)]
    assert answers == [201, 200]
    assert told(shop.post(f"orders/{second['number']}/payments", money)) == (409, "reference_conflict")
    theirs = money | {"provider": "wechat_pay", "transaction_id": "U"}
    assert told(shop.post(f"orders/{second['number']}/payments", theirs)) == (403, "forbidden")


def test_a_refund_of_the_shops_own_money_waits_for_the_shop(shop):
    number = paid(shop, "W-1")
    (line,) = shop.get(f"orders/{number}").json()["lines"]
    goods = {"items": [{"line_id": line["id"], "quantity": 1, "amount_fen": 12_900}], "reason": ""}
    asked = shop.post(f"orders/{number}/refunds", goods | {"external_id": "R-1", "executed": None}).json()
    assert asked["state"] == "requested"
    done = {"provider": "alipay", "transaction_id": "B-1", "refunded_at": instant(timezone.now())}
    given = shop.post(f"orders/{number}/refunds", goods | {"external_id": "R-2", "executed": done}).json()
    assert (given["state"], given["number"]) == ("done", asked["number"])
    assert shop.get(f"orders/{number}").json()["refund_status"] == "full"


def test_points_are_spent_by_whoever_is_there(shop):
    member = make.member()
    shop.post(f"members/{member.id}/points/entries", {"kind": "earn", "points": 9, "reason": "", "reference": "r"})
    asked = o.body(external_id="W-1", member_id=str(member.id), points_to_redeem=9)
    assert told(shop.post("orders", asked)) == (403, "member_proof_required")


def test_what_is_no_json_is_refused(shop):
    answer = shop.http.post("/api/v1/orders", "{}", content_type="text/plain", headers=shop.headers)
    assert told(answer) == (415, "unsupported_media_type")


@both
def test_every_scope_is_named_and_no_other(path):
    section = guide(path).split("\n## 1. ")[1].split("\n## 2. ")[0]
    assert set(re.findall(r"`([a-z]+:[a-z]+)`", section)) == set(Scope.values)


def test_how_long_things_last_is_what_the_hub_keeps():
    once = {granting.LIFETIME, codes.LIFETIME, challenges.RESEND}
    within_ten = {registration.LIFETIME, website_login.LIFETIME, rules.STEP_UP_LASTS}
    by_sms = challenges.LIFETIME, challenges.TRIES
    assert (once, within_ten) == ({timedelta(seconds=60)}, {timedelta(minutes=10)})
    assert by_sms == (timedelta(minutes=5), 5)
    row, terms = Channel(), OrderTerms()
    assert (row.access_minutes, row.session_idle_days, row.session_max_days) == (120, 30, 180)
    assert (terms.close_after_minutes, settings.EXPORT_HOURS, consumers.LONGEST_FRAME) == (60, 24, 4096)
    for path, words in ((GUIDE, ("after 60 minutes", "2 h · 30 days")), (CHINESE, ("60 分钟后", "2 小时 · 30 天"))):
        assert all(word in guide(path) for word in words)

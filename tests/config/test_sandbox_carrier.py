"""The stand-in for 快递100: subscribed to by the hub's own client, its pushes believed by the hub's own judge."""

import json
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from django.db import connections

from config.sandbox import faults
from orders.models import Shipment
from orders.shipping import following, kuaidi100
from orders.shipping.kuaidi100 import Refused, Unavailable, Wanted
from sync.models import InboxMessage
from tests import make
from tests.config.sandbox_servers import both_processes, stand_ins  # noqa: F401 - fixtures
from tests.orders import make_parcels as p

CALLBACK = {"callback": "https://hub.example/callbacks/kuaidi100/x", "salt": "salt"}


@pytest.fixture
def parcel(both_processes, settings):  # noqa: F811 - the fixture
    settings.KUAIDI100_URL = f"http://127.0.0.1:{settings.SANDBOX_PORT}/stand-ins/kuaidi100"
    p.carriers()
    return p.ship(p.paid(member=make.member()))


def push(hub: str, number: str = "SF1000000001", **body) -> dict:
    known = {"state": "in_transit", "text": "快件已到达【杭州转运中心】", "place": "浙江,杭州市"}
    answer = httpx.post(f"{hub}/sandbox/carrier/{number}/push", json=known | body, timeout=30, trust_env=False)
    assert answer.status_code == 200, answer.text
    return answer.json()


def follow() -> None:
    try:
        following.follow_due()
    finally:
        connections.close_all()


@pytest.mark.parametrize(("state", "word"), [("delivered", "delivered"), (5, "out_for_delivery"), ("14", "refused")])
def test_a_push_moves_the_parcel_of_whoever_follows_it(both_processes, parcel, state, word):  # noqa: F811
    following.follow_due()
    assert push(both_processes) == {"delivered": 1, "statuses": [200]}
    assert push(both_processes, "sf1000000001", state=state, text="快件派送中") == {"delivered": 1, "statuses": [200]}
    parcel.refresh_from_db()
    assert parcel.state == word
    assert [each["text"] for each in json.loads(parcel.tracking)] == ["快件派送中", "快件已到达【杭州转运中心】"]
    assert json.loads(parcel.tracking)[1]["place"] == "浙江,杭州市"


def test_a_push_waits_for_the_first_who_follows(both_processes, parcel):  # noqa: F811
    with ThreadPoolExecutor(1) as pool:
        told = pool.submit(push, both_processes)
        assert not told.done()
        follow()
        assert told.result() == {"delivered": 1, "statuses": [200]}
    parcel.refresh_from_db()
    assert parcel.state == "in_transit"


def test_what_was_told_before_is_pushed_to_whoever_follows_later(both_processes, parcel, settings):  # noqa: F811
    settings.SANDBOX_FOLLOWED_WITHIN = 0
    assert push(both_processes) == {"delivered": 0, "statuses": []}
    following.follow_due()
    parcel.refresh_from_db()
    assert (parcel.state, parcel.watch) == ("in_transit", "followed")


def test_faults_of_the_courier(both_processes, parcel):  # noqa: F811
    following.follow_due()
    faults.put({"missign_carrier_pushes": 1})
    assert push(both_processes) == {"delivered": 0, "statuses": [401]}
    faults.put({"missign_carrier_pushes": 0, "lose_carrier_pushes": 1})
    assert push(both_processes) == {"delivered": 0, "statuses": [None]}
    assert not InboxMessage.objects.exists()
    Shipment.objects.update(watch_at=parcel.shipped_at)
    following.ask_due()  # what was lost is asked about
    parcel.refresh_from_db()
    assert len(json.loads(parcel.tracking)) == 2


@pytest.mark.parametrize("body", [{"state": "lost"}, {"state": 99}, {"state": True}, {"text": ""}, {"state": None}])
@pytest.mark.django_db
def test_a_push_says_a_state_and_a_text(body):
    answer = make.Http().post(
        "/sandbox/carrier/SF1/push", {"state": "0", "text": "x"} | body, content_type="application/json"
    )
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid")


def test_it_refuses_what_the_real_one_refuses(stand_ins, settings):  # noqa: F811
    settings.KUAIDI100_URL = f"http://127.0.0.1:{settings.SANDBOX_PORT}/stand-ins/kuaidi100"
    assert kuaidi100.subscribe(Wanted("shunfeng", "SF1"), **CALLBACK) is True
    assert kuaidi100.subscribe(Wanted("shunfeng", "SF1"), **CALLBACK) is False
    with pytest.raises(Refused, match="701"):
        kuaidi100.subscribe(Wanted("SHUNFENG", "SF1"), **CALLBACK)
    with pytest.raises(Unavailable, match="500"):
        kuaidi100.query(Wanted("shunfeng", "SF1"))
    faults.put({"kuaidi100_error": 1})
    with pytest.raises(Unavailable, match="500"):
        kuaidi100.subscribe(Wanted("shunfeng", "SF2"), **CALLBACK)
    faults.clear()
    param = {"company": "shunfeng", "number": "SF2", "key": "another", "parameters": {"callbackurl": "http://x"}}
    for path, form, code in [
        ("/poll", {"schema": "json", "param": json.dumps(param)}, "601"),
        ("/poll", {"schema": "json", "param": "{"}, "700"),
        ("/poll/query.do", {"sign": "0", "param": "{}"}, "503"),
    ]:
        answer = httpx.post(settings.KUAIDI100_URL + path, data=form, trust_env=False).json()
        assert (answer["result"], answer["returnCode"]) == (False, code)

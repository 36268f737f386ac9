"""Every other call of both clients against the real processes: what it takes, what it answers, what it is refused."""

import json
from collections.abc import Callable
from contextlib import ExitStack
from io import BytesIO
from zipfile import ZipFile

import httpx
import pytest

from tests.clients.conftest import CHANNELS
from tests.clients.driving import Client, Place, RefusedError
from tests.clients.people import a_phone, masked, proof_of, sign_in_by_phone, sign_in_by_wechat, sms
from tests.journeys.clients import Backend
from tests.processes import await_that

pytestmark = [pytest.mark.timeout(300), pytest.mark.slow, pytest.mark.usefixtures("hang_up")]
AT = {"province": "浙江省", "city": "杭州市", "district": "西湖区", "street": "龙井路 1 号", "postcode": "310013"}


@pytest.fixture(params=CHANNELS)
def platform(request) -> str:
    return request.param


@pytest.fixture
def open_client(hub, platform):
    """A client in a browser or a phone of its own, each time it is called."""
    with ExitStack() as places:

        def opened() -> Client:
            place = Place(platform, origin=hub.url if platform == "browser" else "")
            places.callback(place.close)
            return Client(place, channel=CHANNELS[platform], base=f"{hub.url}/api/v1")

        yield opened


@pytest.fixture
def backend(hub, platform) -> Backend:
    return Backend(hub.url, CHANNELS[platform])


@pytest.fixture
def phone() -> str:
    return a_phone()


@pytest.fixture
def person(open_client, sandbox, phone) -> Client:
    """Somebody who signed in by SMS."""
    client = open_client()
    client.session = sign_in_by_phone(client, sandbox, phone)
    return client


@pytest.fixture
def newcomer(open_client, sandbox) -> Client:
    """Somebody who signed in by WeChat and has no phone yet."""
    client = open_client()
    client.session = sign_in_by_wechat(client, sandbox)
    return client


def id_of(client: Client) -> str:
    return client.session["member"]["id"]


def refused(client: Client, *call) -> RefusedError:
    """What a call was refused with."""
    with pytest.raises(RefusedError) as told:
        client.call(*call)
    return told.value


@pytest.fixture
def step_up(sandbox) -> Callable[[Client, str], dict]:
    return lambda client, phone: client.call("stepUp", *proof_of(client, sandbox, "step_up", phone))


def test_a_phone_is_linked_and_replaced_only_after_a_step_up(newcomer, sandbox, step_up, phone):
    linked = newcomer.call("linkPhone", *proof_of(newcomer, sandbox, "link", phone))
    assert (linked["member"]["phone"], linked["assurance"], linked["link_case"]) == (masked(phone), 3, None)
    other = a_phone()
    proof = proof_of(newcomer, sandbox, "link", other)
    assert refused(newcomer, "changePhone", *proof).code == "step_up_required"
    told = step_up(newcomer, phone)
    assert (told["assurance"], told.keys()) == (3, {"assurance", "until"})
    changed = newcomer.call("changePhone", *proof)
    assert changed["member"]["phone"] == newcomer.call("me")["phone"] == masked(other)
    assert changed["tokens"]["access_token"] != linked["tokens"]["access_token"]
    assert newcomer.heard("signedout") == []


def test_a_code_that_is_wrong_steps_nothing_up(person, sandbox, phone):
    challenge, code = proof_of(person, sandbox, "step_up", phone)
    told = refused(person, "stepUp", challenge, f"{(int(code) + 1) % 1_000_000:06d}")
    assert (told.code, told.status) == ("code_invalid", 400)
    assert refused(person, "requestExport").code == "step_up_required"


def test_ways_in_are_removed_after_a_step_up_but_for_the_last(newcomer, sandbox, step_up, phone):
    newcomer.call("linkPhone", *proof_of(newcomer, sandbox, "link", phone))
    ways = newcomer.call("me")["identities"]
    by_wechat = [way["id"] for way in ways if way["kind"] != "phone"]
    (by_phone,) = [way["id"] for way in ways if way["kind"] == "phone"]
    assert refused(newcomer, "removeIdentity", by_wechat[0]).code == "step_up_required"
    step_up(newcomer, phone)
    assert [newcomer.call("removeIdentity", way) for way in by_wechat] == [None] * len(by_wechat)
    assert refused(newcomer, "removeIdentity", by_phone).code == "last_identity"
    assert [way["id"] for way in newcomer.call("me")["identities"]] == [by_phone]


@pytest.fixture
def case(newcomer, person, backend, sandbox, phone) -> dict:
    """Both have bought; the newcomer proves the other's phone: two of value, so nothing moves."""
    person.order = backend.place(id_of(person), f"theirs-{phone}")
    backend.place(id_of(newcomer), f"mine-{phone}")
    asked = newcomer.call("linkPhone", *proof_of(newcomer, sandbox, "link", phone))
    assert (asked["linked"], asked["member"]["id"]) == (False, id_of(newcomer))
    return asked["link_case"]


def kinds(case: dict) -> list[str]:
    return [needed["kind"] for needed in case["proofs_needed"]]


def joined(session: dict, client: Client, survivor: Client, absorbed: Client) -> None:
    assert (session["linked"], session["link_case"]) == (True, None)
    assert (session["member"]["id"], session["absorbed_member_id"]) == (id_of(survivor), id_of(absorbed))
    assert client.call("me")["id"] == id_of(survivor)
    assert client.heard("signedout") == []


def test_two_members_are_one_once_an_order_of_the_other_is_named(newcomer, person, case):
    assert newcomer.call("linkCase", case["id"]) == case
    assert (case["kind"], "order_fact" in kinds(case)) == ("merge", True)
    fact = {"kind": "order_fact", "number": person.order["number"], "total_fen": 1}
    assert refused(newcomer, "proveLinkCase", case["id"], fact).code == "code_invalid"
    session = newcomer.call("proveLinkCase", case["id"], fact | {"total_fen": person.order["total_fen"]})
    elder, younger = sorted((newcomer, person), key=lambda client: client.session["member"]["created_at"])
    joined(session, newcomer, elder, younger)
    assert refused(newcomer, "linkCase", case["id"]).code == "case_closed"
    assert len(newcomer.call("orders")) == 2


def test_a_code_alone_does_not_do_and_the_old_sign_in_does(newcomer, person, case, sandbox, phone):
    challenge = newcomer.call("sendLinkCaseCode", case["id"], "sms")
    assert challenge.keys() == {"challenge_id", "expires_in", "resend_in"}
    proof = {"kind": "sms", "challenge_id": challenge["challenge_id"], "code": sms(sandbox, phone)}
    still = newcomer.call("proveLinkCase", case["id"], proof)
    assert (still["link_case"]["id"], still["linked"]) == (case["id"], False)
    assert kinds(still["link_case"]) == ["old_sign_in", "order_fact"]
    proof = {"kind": "old_sign_in", "access_token": person.session["tokens"]["access_token"]}
    session = newcomer.call("proveLinkCase", case["id"], proof)
    elder, younger = sorted((newcomer, person), key=lambda client: client.session["member"]["created_at"])
    joined(session, newcomer, elder, younger)


def test_a_case_that_is_declined_is_over(newcomer, case):
    assert newcomer.call("declineLinkCase", case["id"]) is None
    assert refused(newcomer, "linkCase", case["id"]).code == "case_closed"
    assert newcomer.call("me")["id"] == id_of(newcomer)


def test_a_case_of_others_is_not_there(person, newcomer, case):
    told = refused(person, "linkCase", case["id"])
    assert (told.code, told.status) == ("not_found", 404)


def test_a_copy_of_ones_data_is_asked_for_made_and_fetched_once(person, step_up, phone):
    assert refused(person, "requestExport").code == "step_up_required"
    step_up(person, phone)
    asked = person.call("requestExport", {"key": f"copy-{phone}"})
    assert asked == person.call("requestExport", {"key": f"copy-{phone}"})
    assert asked.keys() == {"id"}

    def state() -> str:
        return person.call("exportOf", asked["id"])["state"]

    await_that(lambda: state() == "ready", 60, lambda: f"The copy is not ready: {state()}")
    ready = person.call("exportOf", asked["id"])
    assert ready.keys() == {"id", "state", "url", "expires_at"}
    with ZipFile(BytesIO(httpx.get(ready["url"], trust_env=False).content)) as copy:
        assert id_of(person) in json.dumps(json.loads(copy.read("data.json")))
    assert person.call("exportOf", asked["id"]) == {"id": asked["id"], "state": "fetched"}
    assert httpx.get(ready["url"], trust_env=False).status_code == 410


def test_erasure_is_asked_for_and_thought_better_of(person, step_up, phone):
    assert refused(person, "requestErasure").code == "step_up_required"
    step_up(person, phone)
    asked = person.call("requestErasure")
    assert asked.keys() == {"due_at"}
    assert person.call("requestErasure") == asked
    assert person.call("cancelErasure") is None
    assert person.call("requestErasure")["due_at"] > asked["due_at"]


def test_erasure_is_refused_while_an_order_is_open_and_says_so(person, backend, step_up, phone):
    backend.place(id_of(person), f"open-{phone}")
    step_up(person, phone)
    told = refused(person, "requestErasure")
    assert (told.code, told.status, told.told["problem"]["reasons"]) == ("erasure_blocked", 409, ["order"])


def test_addresses_are_kept_changed_and_removed(person):
    kept = person.call("addAddress", AT | {"receiver": "林小姐", "phone": "13800138000", "is_default": True})
    assert (kept["phone"], kept["is_default"], kept["district"]) == ("138****8000", True, "西湖区")
    assert person.call("address", kept["id"]) == kept
    changed = person.call("updateAddress", kept["id"], {"street": "龙井路 2 号"})
    assert (changed["street"], changed["version"]) == ("龙井路 2 号", kept["version"] + 1)
    assert person.call("addresses") == [changed]
    assert person.call("removeAddress", kept["id"]) is None
    assert (person.call("addresses"), refused(person, "address", kept["id"]).code) == ([], "not_found")


def test_consent_is_given_and_withdrawn(person):
    (offered,) = [each for each in person.call("consents")["results"] if each["purpose"] == "marketing"]
    assert (offered["granted"], offered["required"]) == (False, False)
    given = person.call("giveConsent", {"purpose": "marketing", "version": offered["version"]})
    assert (given["granted"], given["granted_version"], given["channel"]) == (True, offered["version"], person.channel)
    assert person.call("withdrawConsent", "marketing") is None
    granted = {each["purpose"]: each["granted"] for each in person.call("consents")["results"]}
    assert granted == {"marketing": False, "privacy": True, "terms": True}


def test_where_one_is_signed_in_is_listed_and_ended(person, open_client, sandbox, phone):
    elsewhere = open_client()
    sign_in_by_phone(elsewhere, sandbox, phone)
    newest, oldest = person.call("sessions")
    assert (newest["is_current"], oldest["is_current"], newest["channel"]) == (False, True, person.channel)
    assert person.call("endSession", newest["id"]) is None
    assert refused(elsewhere, "me").code == "token_revoked"
    assert elsewhere.await_heard("signedout") == ["token_revoked"]


def test_an_order_is_cancelled_once(person, backend, phone):
    number = backend.place(id_of(person), f"cancelled-{phone}")["number"]
    assert person.call("cancelOrder", number)["status"] == "cancelled"
    assert person.call("order", number)["payment_status"] == "closed"
    assert refused(person, "confirmReceipt", number).code == "order_state"
    told = refused(person, "pay", number, "wechat_h5")
    assert (told.code, told.status) == ("order_state", 409)


@pytest.fixture
def paid(person, backend, phone) -> dict:
    """An order of one line of two pieces, paid at the channel's own till."""
    number = backend.place(id_of(person), f"paid-{phone}")["number"]
    placed = backend.call("GET", f"orders/{number}", 200).json()
    taken = {
        "provider": "offline",
        "transaction_id": f"till-{phone}",
        "amount_fen": 12_900,
        "paid_at": placed["placed_at"],
    }
    return backend.call("POST", f"orders/{number}/payments", 201, json=taken).json()["order"]


def test_a_refund_is_asked_for_by_line(person, paid):
    wanted = {"items": [{"line_id": paid["lines"][0]["id"], "quantity": 1}], "reason": "不喜欢"}
    refund = person.call("requestRefund", paid["number"], wanted)
    assert (refund["state"], refund["amount_fen"], refund["reason"]) == ("requested", 6_450, "不喜欢")
    assert person.call("order", paid["number"])["status"] == "refunding"


def test_receipt_is_confirmed(person, backend, paid, phone):
    sent = [{"line_id": paid["lines"][0]["id"], "quantity": 2}]
    parcel = {"carrier": "顺丰速运", "tracking_number": f"SF{phone}", "items": sent}
    backend.call("POST", f"orders/{paid['number']}/shipments", 201, json=parcel)
    assert person.call("confirmReceipt", paid["number"])["status"] == "completed"


def test_points_and_their_entries_are_shown_newest_first(person, backend):
    for turn in (1, 2, 3):
        earned = {"kind": "earn", "points": turn, "reason": "签到", "reference": f"day-{turn}"}
        backend.call("POST", f"members/{id_of(person)}/points/entries", 201, json=earned)
    assert person.call("points")["available"] == 6
    assert [entry["points"] for entry in person.call("pointEntries", {"limit": 2})] == [3, 2, 1]


def test_a_code_for_the_till_names_the_member_to_a_backend(person, backend):
    shown = person.call("memberCode")
    assert shown.keys() == {"code", "expires_in"}
    named = {"identities": [{"kind": "member_code", "value": shown["code"]}]}
    assert backend.call("POST", "members/resolve", 200, json=named).json()["member"]["id"] == id_of(person)


def test_messages_are_accepted_where_the_channel_has_any(person, platform):
    offered = person.call("noticeTemplates")["results"]
    assert bool(offered) == (platform == "wx")
    for template in offered:
        assert template.keys() == {"template_id", "occasion", "title", "left"}
        kept = person.call("answerNotice", template["template_id"], "accept")
        assert kept == {"template_id": template["template_id"], "left": 1}
    assert refused(person, "answerNotice", "no-such-template", "reject").code == "invalid"

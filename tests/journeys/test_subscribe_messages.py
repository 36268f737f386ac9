"""A message the person accepted in the mini-program, from the change it tells of to their WeChat: real processes."""

import pytest

from tests.journeys.clients import Client
from tests.processes import await_that

pytestmark = [pytest.mark.timeout(300), pytest.mark.slow]
PHONE, NEW_PHONE = "13600136000", "13600136001"


@pytest.fixture(scope="module")
def person(hub):
    """Somebody in the mini-program with a phone, as their client and their openid."""
    mini = Client(hub.url, "mini-program")
    openid = mini.sandbox("POST", "wechat/users", json={"phone": PHONE})["openid"]
    mini.sign_in_by_wechat(openid)
    code = mini.sandbox("POST", f"wechat/users/{openid}/phone-code")["code"]
    mini.signed_in(mini.call("POST", "auth/wechat/phone", json={"code": code}))
    return mini, openid


def code_for(client: Client, phone: str, /, **asked) -> dict:
    sent = client.call("POST", "auth/sms-codes", 202, json=asked).json()
    code = client.sandbox("GET", "sms", params={"phone": phone})["results"][0]["code"]
    return {"challenge_id": sent["challenge_id"], "code": code}


def test_a_person_is_told_that_their_phone_was_changed(person):
    mini, openid = person
    offered = mini.call("GET", "me/notices/templates", 200).json()["results"]
    assert {each["occasion"] for each in offered} >= {"order_shipped", "phone_changed"}
    (template,) = [each["template_id"] for each in offered if each["occasion"] == "phone_changed"]
    accepted = mini.call("POST", "me/notices", 200, json={"template_id": template, "result": "accept"}).json()
    assert accepted == {"template_id": template, "left": 1}

    mini.call("POST", "auth/step-up", 200, json=code_for(mini, PHONE, purpose="step_up"))
    proven = code_for(mini, NEW_PHONE, purpose="link", phone=NEW_PHONE)
    assert mini.signed_in(mini.call("PUT", "me/phone", json=proven))["member"]["phone"] == "136****6001"

    def told() -> list[dict]:
        arrived = mini.sandbox("GET", "wechat/notices")["results"]
        return [each for each in arrived if each["openid"] == openid]

    await_that(lambda: bool(told()), 60, lambda: "The message did not arrive")
    (message,) = told()
    assert (message["template_id"], message["data"].keys()) == (template, {"time1"})
    left = {each["template_id"]: each["left"] for each in mini.call("GET", "me/notices/templates").json()["results"]}
    assert left[template] == 0

"""People who sign in with the clients at a running hub: whose SMS and whose WeChat the sandbox shows."""

from itertools import count

import pytest

from tests.clients.driving import Client, RefusedError

UNUSED = count(13_700_140_000)


def a_phone() -> str:
    """A number that nobody has yet."""
    return str(next(UNUSED))


def masked(phone: str) -> str:
    return f"{phone[:3]}****{phone[-4:]}"


def sms(sandbox, phone: str) -> str:
    """The code that was sent to a phone last."""
    return sandbox.get("sms", params={"phone": phone}).json()["results"][0]["code"]


def proof_of(client: Client, sandbox, purpose: str, phone: str) -> tuple[str, str]:
    """A challenge and its code, as `linkPhone`, `changePhone` and `stepUp` take them."""
    asked = (purpose,) if purpose == "step_up" else (purpose, phone)
    return client.call("sendCode", *asked)["challenge_id"], sms(sandbox, phone)


def agreed(client: Client) -> list[dict]:
    """What somebody new agrees to."""
    policies = client.call("policies")["results"]
    return [{"purpose": each["purpose"], "version": each["version"]} for each in policies if each["required"]]


def sign_in_by_phone(client: Client, sandbox, phone: str) -> dict:
    """With the consents that the hub asks for."""
    return client.call("signInByPhone", *proof_of(client, sandbox, "sign_in", phone), agreed(client))


def sign_in_by_wechat(client: Client, sandbox) -> dict:
    """Somebody new to the hub: by QR code on the website, by wx.login in the mini-program."""
    if client.channel == "website":
        app_id = sandbox.get("credentials").json()["channels"]["website"]["app_id"]
        user = sandbox.post("wechat/users", json={"app_id": app_id}).json()
        begun = client.call("startWebsiteSignIn")
        scanned = sandbox.post(f"wechat/users/{user['openid']}/qr-code").json()["code"]
        return client.call("finishWebsiteSignIn", {"code": scanned, "state": begun["state"]}, agreed(client))
    user = sandbox.post("wechat/users", json={}).json()
    return sign_in_by_wx_login(client, sandbox, user["openid"])


def sign_in_by_wx_login(client: Client, sandbox, openid: str) -> dict:
    """In the mini-program, somebody new: the hub asks for their consent first."""
    client.place.happen("login", sandbox.post(f"wechat/users/{openid}/login-code").json()["code"])
    with pytest.raises(RefusedError) as refused:
        client.call("signInByMiniProgram", [])
    assert refused.value.code == "consent_required"
    asked = refused.value.told["problem"]
    consents = [{"purpose": each["purpose"], "version": each["version"]} for each in asked["required"]]
    return client.call("register", asked["registration_token"], consents)

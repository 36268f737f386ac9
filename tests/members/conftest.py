"""The world around the hub, and the doors people come through."""

from types import SimpleNamespace

import pytest

from tests import make
from tests.members.outside import Server


@pytest.fixture
def outside(settings):
    """WeChat and an SMS gateway on loopback."""
    with Server() as server:
        settings.WECHAT_API_URL = server.url
        settings.SMS_SENDER, settings.SMS_SANDBOX_URL = "sandbox", f"{server.url}/sms"
        yield server.outside


@pytest.fixture
def agreed(db):
    """The consents that a registration needs, of policies that exist."""
    return make.policies()


@pytest.fixture
def doors(outside, agreed):
    """The ways in, as clients use them. Each returns the answer."""

    def sms(phone, channel="website", consents=agreed, client=None):
        client = client or make.client(channel)
        sent = client.post("auth/sms-codes", {"phone": phone, "purpose": "sign_in"}).json()
        given = {"challenge_id": sent["challenge_id"], "code": outside.sms_code(sent["challenge_id"])}
        return client.post("auth/phone", given | {"consents": consents})

    def mini_program(openid, unionid=None, consents=agreed):
        code = outside.code(openid=openid, unionid=unionid, session_key="never kept")
        return make.client("mini-program").post("auth/wechat/mini-program", {"code": code, "consents": consents})

    def link_by_sms(client, phone):
        sent = client.post("auth/sms-codes", {"phone": phone, "purpose": "link"}).json()
        given = {"challenge_id": sent["challenge_id"], "code": outside.sms_code(sent["challenge_id"])}
        return client.post("auth/phone/link", given)

    def link_by_wechat(client, phone):
        return client.post("auth/wechat/phone", {"code": outside.phone_code(phone)})

    return SimpleNamespace(sms=sms, mini_program=mini_program, link_by_sms=link_by_sms, link_by_wechat=link_by_wechat)


@pytest.fixture
def bearer():
    """A client holding the tokens of a *session* answer."""

    def of(answer, channel="mini-program"):
        body = answer.json()
        assert answer.status_code == 200, body
        return make.bearing(body["tokens"]["access_token"], channel=make.channel(channel))

    return of

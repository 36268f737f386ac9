"""After a journey: no token, code, phone or openid in clear in the database, in Valkey or in any log."""

import psycopg
import pytest
import redis
from psycopg import sql

from config import embedded
from tests.journeys.clients import Backend, Client
from tests.members.dumps import held

pytestmark = [pytest.mark.timeout(300), pytest.mark.slow]
PHONE = "13500135000"
TABLES = """
SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename NOT LIKE 'sandbox\\_%'
"""  # the sandbox's tables are the outside world: WeChat knows its openids


@pytest.fixture(scope="module")
def secrets(hub) -> list[str]:
    """A journey through every way in; everything of it that must stay secret."""
    website, mini, qr = (Client(hub.url, code) for code in ("website", "mini-program", "website"))
    user = website.sandbox("POST", "wechat/users", json={"phone": PHONE})
    found = [PHONE, user["openid"], user["unionid"]]
    website.sign_in_by_phone(PHONE)
    found += [sms["code"] for sms in website.sandbox("GET", "sms", params={"phone": PHONE})["results"]]
    mini.sign_in_by_wechat(user["openid"])
    found += mini.tokens["access_token"], mini.tokens["refresh_token"]
    code = mini.sandbox("POST", f"wechat/users/{user['openid']}/phone-code")["code"]
    member = mini.signed_in(mini.call("POST", "auth/wechat/phone", json={"code": code}))["member"]

    started = qr.call("POST", "auth/wechat/website/start", 200, json={}).json()
    scanned = qr.sandbox("POST", f"wechat/users/{user['openid']}/qr-code")["code"]
    body = {"code": scanned, "state": started["state"], "verifier": started["verifier"], "consents": qr.consents()}
    assert qr.signed_in(qr.call("POST", "auth/wechat/website", json=body))["member"]["id"] == member["id"]
    found += [code, scanned, started["state"], started["verifier"]]

    order = Backend(hub.url, "mini-program").place(member["id"], "CLEAR-1", contact={"phone": PHONE, "name": "李明华"})
    mini.pay(order["number"])
    socket = mini.socket()
    found += [mini.ticket().partition("ticket=")[2], "李明华"]
    socket.kill()
    for side in (website, mini, qr):
        found += side.tokens["access_token"], side.tokens["refresh_token"]
    refreshed = qr.call("POST", "auth/refresh", 200, json={"refresh_token": qr.tokens["refresh_token"]}).json()
    found += refreshed["access_token"], refreshed["refresh_token"]
    return [*found, *(website_key(hub, code) for code in ("website", "mini-program"))]


def website_key(hub, code: str) -> str:
    return Backend(hub.url, code).secrets["api_key"]


def leaks(text: str, secrets: list[str]) -> list[str]:
    """Secrets that stand in the text; six digits only as a value of their own."""
    return [secret for secret in secrets if (f'"{secret}"' if len(secret) == 6 else secret) in text]


def test_not_in_the_database(hub, secrets):
    with psycopg.connect(hub.database_url) as connection:
        names = [name for (name,) in connection.execute(TABLES)]
        assert len(names) > 40
        found = {}
        for name in names:
            rows = connection.execute(sql.SQL("SELECT to_jsonb(t)::text FROM {} t").format(sql.Identifier(name)))
            if leaked := leaks("\n".join(text for (text,) in rows), secrets):
                found[name] = leaked
    assert found == {}


def test_not_in_valkey(hub, secrets):
    store = redis.Redis.from_url(embedded.redis_url(hub.folder))
    kept = [part for key in store.scan_iter() for part in (key, *held(store, key))]
    assert leaks(b"\n".join(kept).decode("latin-1"), secrets) == []


def test_not_in_any_log(hub, secrets):
    text = hub.log()
    assert "ready" in text
    assert leaks(text, secrets) == []

"""WeChat users, their codes, text messages: the sandbox's API."""

import pytest

from config.sandbox import people
from config.sandbox.models import Person, TextMessage, WechatCode, WechatUser
from sync.clock import Clock
from sync.secret import blind_index
from tests import make
from tests.config import make_sandbox
from tests.config.make_sandbox import MINI_PROGRAM, WEBSITE

pytestmark = pytest.mark.django_db
USERS = "/sandbox/wechat/users"


@pytest.fixture(autouse=True)
def _apps(db):
    make_sandbox.apps()


def post(client, path, body=None):
    return client.post(path, {} if body is None else body, content_type="application/json")


def user(client, **body) -> dict:
    response = post(client, USERS, body)
    assert response.status_code == 200, response.content
    return response.json()


def test_what_is_not_said_of_a_new_user_is_made_up(client):
    made = user(client)
    assert made["app_id"] == MINI_PROGRAM
    assert made["openid"]
    assert made["unionid"]
    assert len(made["phone"]) == 11
    assert user(client)["openid"] != made["openid"]


def test_what_is_said_is_kept(client):
    said = {"app_id": WEBSITE, "openid": "o-somebody", "unionid": "u-somebody", "phone": "138 0013 8000"}
    assert user(client, **said) == said


def test_a_user_may_have_no_unionid_and_no_phone(client):
    made = user(client, unionid=None, phone=None)
    assert (made["unionid"], made["phone"]) == (None, None)


def test_a_known_unionid_leads_to_the_same_person_in_another_app(client):
    mini = user(client, phone="13800138000")
    website = user(client, app_id=WEBSITE, unionid=mini["unionid"])
    assert website["openid"] != mini["openid"]
    assert website["phone"] == "13800138000"
    assert user(client, app_id=WEBSITE, unionid=mini["unionid"]) == website


def test_a_known_user_gets_another_phone(client):
    made = user(client)
    changed = user(client, openid=made["openid"], phone="13800138001")
    assert changed == made | {"phone": "13800138001"}
    assert Person.objects.count() == WechatUser.objects.count() == 1


def test_an_openid_belongs_to_one_app(client):
    made = user(client)
    refused = post(client, USERS, {"openid": made["openid"], "app_id": WEBSITE})
    assert refused.status_code == 400
    assert refused.json()["errors"][0]["field"] == "openid"
    assert WechatUser.objects.count() == 1


def test_a_unionid_appears_later(client):
    made = user(client, unionid=None)
    changed = client.patch(f"{USERS}/{made['openid']}", {"unionid": "u-new"}, content_type="application/json")
    assert changed.json() == made | {"unionid": "u-new"}


def test_the_unionid_of_somebody_makes_both_the_same_person(client):
    mini, website = user(client, phone="13800138000"), user(client, app_id=WEBSITE)
    unionid = {"unionid": mini["unionid"]}
    joined = client.patch(f"{USERS}/{website['openid']}", unionid, content_type="application/json")
    assert joined.json() == website | unionid | {"phone": "13800138000"}


@pytest.mark.parametrize(
    "body",
    [
        {"phone": "12345"},
        {"phone": 13800138000},
        {"openid": ""},
        {"openid": 7},
        {"openid": "x" * 65},
        {"unionid": ["u"]},
        {"app_id": None},
        [],
    ],
)
def test_bad_input_makes_nobody(client, body):
    refused = post(client, USERS, body)
    assert refused.status_code == 400
    assert refused["Content-Type"] == "application/problem+json"
    assert not WechatUser.objects.exists()


@pytest.mark.parametrize("path", ["", "/login-code", "/phone-code", "/qr-code"])
def test_nobody_else_is_known(client, path):
    call = client.post if path else client.patch
    refused = call(f"{USERS}/o-nobody{path}", {"unionid": "u"}, content_type="application/json")
    assert (refused.status_code, refused.json()["code"]) == (404, "not_found")


@pytest.mark.parametrize(("path", "kind"), [("login-code", "login"), ("phone-code", "phone"), ("qr-code", "qr")])
def test_a_code_stands_for_its_user_once_in_one_app_for_one_use(client, path, kind):
    made = user(client)
    code = post(client, f"{USERS}/{made['openid']}/{path}").json()["code"]
    here, there = (WEBSITE, MINI_PROGRAM) if kind == "qr" else (MINI_PROGRAM, WEBSITE)

    assert people.use_code(code, kind=kind, app_id=there) == "unknown"
    assert people.use_code(code, kind="qr" if kind == "login" else "login", app_id=here) == "unknown"
    assert people.use_code(code, kind=kind, app_id=here).person.unionid == made["unionid"]
    assert people.use_code(code, kind=kind, app_id=here) == "used"


def test_a_code_ends_after_five_minutes(client):
    code = post(client, f"{USERS}/{user(client)['openid']}/login-code").json()["code"]
    assert WechatCode.objects.filter(expires_at__lte=Clock() + people.CODE_TTL).exists()
    WechatCode.objects.update(expires_at=Clock())
    assert people.use_code(code, kind="login", app_id=MINI_PROGRAM) == "unknown"


def test_the_website_knows_a_user_of_the_mini_program_by_one_openid(client):
    made = user(client)
    for _again in range(2):
        post(client, f"{USERS}/{made['openid']}/qr-code")
    assert WechatUser.objects.filter(app_id=WEBSITE).count() == 1


def test_a_user_of_a_third_app_gets_codes_of_that_app(client):
    made = user(client, app_id="wx-somebody-else")
    code = post(client, f"{USERS}/{made['openid']}/login-code").json()["code"]
    assert people.use_code(code, kind="login", app_id=MINI_PROGRAM) == "unknown"
    assert people.use_code(code, kind="login", app_id="wx-somebody-else").openid == made["openid"]


def test_who_has_no_phone_has_no_phone_code(client):
    made = user(client, phone=None)
    assert post(client, f"{USERS}/{made['openid']}/phone-code").status_code == 400
    assert not WechatCode.objects.exists()


def test_messages_are_read_newest_first_by_phone(client):
    for phone, code in [("+8613800138000", "111111"), ("+8613800138001", "222222"), ("+8613800138000", "333333")]:
        TextMessage.objects.create(phone=phone, phone_index=blind_index("phone", phone), code=code, challenge_id=code)

    mine = client.get("/sandbox/sms", {"phone": "138 0013 8000"}).json()["results"]
    assert [message["code"] for message in mine] == ["333333", "111111"]
    assert mine[0].keys() == {"phone", "code", "challenge_id", "sent_at"}
    assert mine[0]["phone"] == "+8613800138000"
    assert len(client.get("/sandbox/sms").json()["results"]) == 3


def test_messages_are_not_read_by_something_else(client):
    assert client.get("/sandbox/sms", {"phone": "12"}).status_code == 400


def test_nothing_of_a_person_lies_in_clear(client):
    made = user(client, phone="13800138000")
    code = post(client, f"{USERS}/{made['openid']}/login-code").json()["code"]
    index = blind_index("phone", "+8613800138000")
    TextMessage.objects.create(phone="+8613800138000", phone_index=index, code="918273", challenge_id="c")
    everything = "".join(make.snapshot().values())
    clear = (made["openid"], made["unionid"], code, "13800138000", '"918273"')  # six digits stand in any hash
    assert not [secret for secret in clear if secret in everything]
    assert b"918273".hex() not in everything

"""Nothing that opens a door or names a person lies in clear in any table."""

import re
from collections.abc import Iterator
from logging import Formatter, getLogger

import pytest

from members.identity import Evidence, Shown
from members.resolving import Said
from members.sessions import Tokens
from members.website_login import Begun
from members.wechat import Person
from sync.models import Event
from tests import make

pytestmark = pytest.mark.django_db

PHONE, OPENID, UNIONID, EMAIL = "13800138000", "openid-of-ming-long", "unionid-of-ming-long", "ming@example.cn"


@pytest.fixture
def heard(monkeypatch):
    """Refusals are logged, whatever a process that this one stood in for left unsaid."""
    monkeypatch.setattr(getLogger("django.request"), "filters", [])


@pytest.fixture
def lived(heard, doors, bearer, outside):
    """A life in the hub: registered, linked, refreshed, folded, changed. Returns every secret that was given."""
    given = [doors.sms(PHONE).json()["tokens"]]
    given.append(doors.sms(PHONE, consents=[]).json()["tokens"])
    given.append(make.client().post("auth/refresh", {"refresh_token": given[0]["refresh_token"]}).json())
    waiting = doors.sms("13900139000", consents=[]).json()["registration_token"]
    started = make.client().post("auth/wechat/website/start").json()
    given.append(doors.mini_program(OPENID, UNIONID).json()["tokens"])
    client = make.bearing(given[-1]["access_token"], channel=make.channel("mini-program"))
    given.append(doors.link_by_wechat(client, f"+86{PHONE}").json()["tokens"])
    client = make.bearing(given[-1]["access_token"])
    client.patch("me", {"email": EMAIL}, headers={"If-Match": client.get("me")["ETag"]})
    tokens = [tokens[name] for tokens in given for name in ("access_token", "refresh_token")]
    codes = [message["code"] for message in outside.messages]
    return [*tokens, waiting, *waiting.split("."), started["state"], started["verifier"], *outside.tokens], codes


def test_no_token_phone_or_openid_lies_in_clear(lived):
    tokens, _codes = lived
    text = "".join(make.snapshot().values()).lower()
    for secret in [*tokens, PHONE, "13900139000", OPENID, UNIONID, EMAIL]:
        assert secret.lower() not in text
        assert secret.encode().hex() not in text


def test_no_code_lies_in_clear(lived):
    _tokens, codes = lived
    challenges = make.snapshot()["members_smschallenge"]
    for code in codes:
        assert f'"{code}"' not in challenges
        assert code.encode().hex() not in challenges


def texts(data) -> Iterator[str]:
    """Every text and number an event's data holds, but for ids and times: by chance these hold any four digits."""
    if isinstance(data, dict | list):
        for each in data.values() if isinstance(data, dict) else data:
            yield from texts(each)
    elif not re.fullmatch(r"[0-9a-f-]{36}|\d{4}-\d\d-\d\dT[\d:.]+Z", str(data)):
        yield str(data)


def test_no_event_carries_personal_data(lived):
    told = make.snapshot()["sync_event"]
    for secret in (PHONE, "****8000", OPENID, "ming"):
        assert secret not in told
    assert not [words for event in Event.objects.all() for words in texts(event.data) if "8000" in words]


def test_no_log_holds_a_secret(lived, caplog):
    tokens, codes = lived
    said = "\n".join(map(Formatter().format, caplog.get_records("setup")))
    assert "Unprocessable Entity" in said  # else this proves nothing
    for secret in [*tokens, *codes, PHONE, OPENID]:
        assert secret not in said


@pytest.mark.parametrize(
    "carrier",
    [
        Tokens("secret-1", "secret-2"),
        Evidence("phone", "+86secret", 3),
        Shown([Evidence("phone", "+86secret", 3)], token="secret"),
        Said("phone", "+86secret"),
        Person("secret", "secret"),
        Begun("https://secret", "secret", "secret"),
    ],
)
def test_what_carries_secrets_does_not_print_them(carrier):
    assert "secret" not in repr(carrier)
    assert "secret" not in str(carrier)

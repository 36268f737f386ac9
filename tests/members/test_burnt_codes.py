"""A code of wx.login that was exchanged before the person agreed: good once more, for whoever holds it, for a while."""

import pytest

from members.models import Member, Registration
from tests import make
from tests.members.test_at_once import at_once

pytestmark = pytest.mark.django_db


@pytest.fixture
def burnt(outside, agreed):
    """A code that WeChat has taken, while consent was missing."""
    code = outside.code(openid="openid-of-ming", unionid="unionid-of-ming")
    answer = send(code, [])
    assert (answer.status_code, answer.json()["code"]) == (422, "consent_required")
    return code


def send(code, consents, channel="mini-program"):
    return make.client(channel).post("auth/wechat/mini-program", {"code": code, "consents": consents})


def refused(answer) -> bool:
    return (answer.status_code, answer.json()["code"]) == (400, "wechat_code_invalid")


def test_the_same_code_with_consents_registers_once(burnt, agreed, outside):
    answer = send(burnt, agreed)
    assert answer.json()["created"], answer.json()
    kinds = sorted(identity["kind"] for identity in answer.json()["member"]["identities"])
    assert kinds == ["wechat_openid", "wechat_unionid"]
    assert outside.calls == ["/sns/jscode2session"]  # WeChat was asked once

    before = make.snapshot()
    assert refused(send(burnt, agreed))
    assert make.snapshot() == before


def test_without_consents_it_goes_on_waiting_under_the_same_token(burnt, agreed):
    again = send(burnt, [])
    assert (again.status_code, again.json()["code"]) == (422, "consent_required")
    assert Registration.objects.count() == 1
    given = {"registration_token": again.json()["registration_token"], "consents": agreed}
    assert make.client("mini-program").post("auth/register", given).json()["created"]
    assert refused(send(burnt, agreed))


def test_a_token_used_with_the_code_is_used(outside, agreed):
    code = outside.code(openid="openid-of-ming")
    waiting = send(code, []).json()["registration_token"]
    assert send(code, agreed).json()["created"]
    given = {"registration_token": waiting, "consents": agreed}
    assert make.client("mini-program").post("auth/register", given).json()["code"] == "code_invalid"


def test_it_ends_after_ten_minutes(burnt, agreed):
    Registration.objects.update(expires_at=make.LONG_AGO)
    assert refused(send(burnt, agreed))
    assert not Member.objects.exists()


def test_another_channel_and_another_code_open_nothing(burnt, agreed):
    make.channel("outlet", kind="mini_program", app_id="wx-outlet", app_secret="s")
    assert refused(send(burnt, agreed, "outlet"))
    assert refused(send(f"{burnt}x", agreed))
    assert not Member.objects.exists()


def test_what_lies_in_the_table_opens_for_nobody_without_the_code(burnt):
    (row,) = Registration.objects.all()
    lies = make.snapshot()["members_registration"]
    for clear in (burnt, "openid-of-ming", "unionid-of-ming"):
        assert clear not in lies
        assert clear.encode().hex() not in lies
    row.sealed = bytes(row.sealed)[:-1] + b"?"
    row.save()
    assert refused(send(burnt, []))


def test_what_was_used_keeps_nothing(burnt, agreed):
    send(burnt, agreed)
    (row,) = Registration.objects.all()
    assert (row.code_digest, row.sealed, row.used_at is not None) == (None, None, True)


@pytest.mark.django_db(transaction=True)
def test_many_retries_at_once_register_one_member(burnt, agreed):
    answers = at_once(*[lambda: send(burnt, agreed)] * 8)
    assert [answer.status_code for answer in answers].count(200) == 1
    assert all(answer.status_code == 200 or refused(answer) for answer in answers)
    assert Member.objects.count() == 1

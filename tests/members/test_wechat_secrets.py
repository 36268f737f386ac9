"""What WeChat and the hub share is neither kept in clear, nor logged, nor answered: session_key is not kept at all."""

import logging

import pytest

from tests import make

pytestmark = pytest.mark.django_db

SESSION_KEY = "tiihtNczf5v6AKRyjwEUhQ-never-kept"


@pytest.fixture
def said(outside, agreed, bearer, caplog):
    """Every answer of a person at all of WeChat's doors, on good days and bad ones; what was logged meanwhile."""
    caplog.set_level(logging.DEBUG)
    for name in ("httpx", "httpcore"):
        caplog.set_level(logging.WARNING, logger=name)  # as in production: these print URLs whole
    mini, website, answers = make.client("mini-program"), make.client("website"), []

    def login(**more):
        return outside.code(openid="openid-of-ming", session_key=SESSION_KEY, **more)

    code = login()
    given = [{"code": code, "consents": each} for each in ([], agreed, agreed)]
    answers += [mini.post("auth/wechat/mini-program", each) for each in given]
    person = bearer(answers[1])
    answers.append(person.post("auth/wechat/phone", {"code": outside.phone_code("+8613800138000")}))
    answers.append(bearer(answers[-1]).get("me"))
    begun = website.post("auth/wechat/website/start").json()
    shown = {"code": login(access_token=SESSION_KEY), "state": begun["state"], "verifier": begun["verifier"]}
    answers.append(website.post("auth/wechat/website", shown | {"consents": agreed}))
    for error in (
        {"errcode": -1},
        {"errcode": 40001, "errmsg": SESSION_KEY},
        SESSION_KEY,
        {"session_key": SESSION_KEY},
    ):
        outside.answers["/sns/jscode2session"] = [(200, error)]
        answers.append(mini.post("auth/wechat/mini-program", {"code": login(), "consents": agreed}))
    return answers, caplog.text


def secrets_of(outside) -> list[str]:
    return [SESSION_KEY, "app-secret-of", *outside.tokens]


def test_not_in_an_answer(said, outside):
    answers, _logged = said
    assert [answer.status_code for answer in answers] == [422, 200, 400, 200, 200, 200, 503, 503, 503, 503]
    text = "".join(answer.content.decode() + str(answer.headers) for answer in answers)
    assert not [secret for secret in [*secrets_of(outside), "session_key"] if secret in text]


def test_not_in_the_database(said, outside):
    lies = "".join(make.snapshot().values())
    for secret in secrets_of(outside):
        assert secret not in lies
        assert secret.encode().hex() not in lies


def test_not_in_a_log(said, outside):
    _answers, logged = said
    assert "WeChat /sns/jscode2session" in logged  # else this proves nothing
    assert not [secret for secret in [*secrets_of(outside), *outside.codes, "session_key"] if secret in logged]

"""Alibaba Cloud and Tencent Cloud: signed as they publish it, asked as they document it, their refusals made plain."""

import json
from datetime import UTC, datetime
from urllib.parse import parse_qs

import pytest

from members import sms
from members.sms import alibaba, gateway, tencent
from sync.http import Problem
from tests import make

PHONE, CODE = "+8613800138000", "482913"
ALIBABA, TENCENT = "/alibaba/", "/tencent/"


@pytest.fixture(params=["alibaba", "tencent"])
def sender(request, settings, outside):
    """A gateway on loopback, chosen by its settings alone."""
    settings.SMS_SENDER, settings.SMS_API_URL = request.param, f"{settings.WECHAT_API_URL}/{request.param}"
    settings.SMS_KEY_ID, settings.SMS_KEY_SECRET, settings.SMS_REGION = "the-key-id", "the-key-secret", "cn-somewhere"
    settings.SMS_SIGN_NAME, settings.SMS_TEMPLATE, settings.SMS_APP_ID = "品牌", "T-1", "1400006666"
    settings.SMS_TEMPLATES = {"sign_in": "T-1", "step_up": "T-3"}
    outside.answers[ALIBABA] = [(200, {"Code": "OK", "Message": "OK", "RequestId": "r-1", "BizId": "b"})]
    outside.answers[TENCENT] = [(200, {"Response": {"SendStatusSet": [{"Code": "Ok"}], "RequestId": "r-1"}})]
    return request.param


def send(purpose="sign_in"):
    sms.send(phone=PHONE, code=CODE, challenge_id=None, purpose=purpose)


def test_alibabas_published_example_is_signed_as_published(settings):
    """The fixed example of alibabacloud.com/help/en/sdk/product-overview/v3-request-structure-and-signature."""
    settings.SMS_KEY_ID, settings.SMS_KEY_SECRET = "YourAccessKeyId", "YourAccessKeySecret"
    headers = alibaba.signed(
        {
            "host": "ecs.cn-shanghai.aliyuncs.com",
            "x-acs-action": "RunInstances",
            "x-acs-version": "2014-05-26",
        },
        query={"RegionId": "cn-shanghai", "ImageId": "win2019_1809_x64_dtc_zh-cn_40G_alibase_20230811.vhd"},
        body=b"",
        at=datetime(2023, 10, 26, 10, 22, 32, tzinfo=UTC),
        nonce="3156853299f313e23d1673dc12e1703d",
    )
    assert headers["authorization"] == (
        "ACS3-HMAC-SHA256 Credential=YourAccessKeyId,"
        "SignedHeaders=host;x-acs-action;x-acs-content-sha256;x-acs-date;x-acs-signature-nonce;x-acs-version,"
        "Signature=06563a9e1b43f5dfe96b81484da74bceab24a1d853912eee15083a6f0f3283c0"
    )


def test_tencents_published_example_is_signed_as_published(settings):
    """The example of cloud.tencent.com/document/api/213/30654, whose key is printed, and signs, as 32 asterisks."""
    settings.SMS_KEY_ID, settings.SMS_KEY_SECRET = "AKID" + "*" * 32, "*" * 32
    headers = tencent.signed(
        rb'{"Limit": 1, "Filters": [{"Values": ["\u672a\u547d\u540d"], "Name": "instance-name"}]}',
        service="cvm",
        host="cvm.tencentcloudapi.com",
        action="DescribeInstances",
        at=datetime.fromtimestamp(1551113065, UTC),
    )
    assert headers["x-tc-timestamp"] == "1551113065"
    assert headers["authorization"] == (
        f"TC3-HMAC-SHA256 Credential=AKID{'*' * 32}/2019-02-25/cvm/tc3_request, "
        "SignedHeaders=content-type;host;x-tc-action, "
        "Signature=10b1a37a7301a02ca19a647ad722d5e43b4b3cff309d421d85b46093f6ab6c4f"
    )


@pytest.mark.parametrize("sender", ["alibaba"], indirect=True)
def test_alibaba_is_asked_by_a_form_and_its_url_names_nobody(sender, outside):
    send("step_up")
    asked = outside.requests[-1]
    form = {name: values[0] for name, values in parse_qs(asked.body.decode()).items()}
    assert form | {"OutId": ""} == {
        "PhoneNumbers": "13800138000",
        "SignName": "品牌",
        "TemplateCode": "T-3",
        "TemplateParam": json.dumps({"code": CODE}),
        "OutId": "",
    }
    assert (asked.url, asked.headers["x-acs-action"], asked.headers["x-acs-version"]) == (
        ALIBABA, "SendSms", "2017-05-25"
    )  # fmt: skip
    assert len({asked.headers["x-acs-signature-nonce"]}) == 1


@pytest.mark.parametrize("sender", ["tencent"], indirect=True)
def test_tencent_is_asked_in_json(sender, outside, settings):
    settings.SMS_TEMPLATE_PARAMS = ["code", "minutes"]
    send()
    asked = outside.requests[-1]
    assert json.loads(asked.body) | {"SessionContext": ""} == {
        "PhoneNumberSet": [PHONE],
        "SmsSdkAppId": "1400006666",
        "SignName": "品牌",
        "TemplateId": "T-1",
        "TemplateParamSet": [CODE, "5"],
        "SessionContext": "",
    }
    named = [asked.headers[f"x-tc-{name}"] for name in ("action", "version", "region")]
    assert named == ["SendSms", "2021-01-11", "cn-somewhere"]


def test_what_arrives_is_what_was_signed(sender, outside):
    """Signed anew from what the gateway sees, the signature is the one it was sent."""
    send()
    asked = outside.requests[-1]
    headers, host = asked.headers, asked.headers["host"]
    if sender == "alibaba":
        names = ("host", "content-type", "x-acs-action", "x-acs-version")
        at = datetime.strptime(headers["x-acs-date"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
        nonce = headers["x-acs-signature-nonce"]
        again = alibaba.signed({name: headers[name] for name in names}, query={}, body=asked.body, at=at, nonce=nonce)
    else:
        at = datetime.fromtimestamp(int(headers["x-tc-timestamp"]), UTC)
        again = tencent.signed(asked.body, service="sms", host=host, action="SendSms", at=at)
    assert again["authorization"] == headers["authorization"]


def refuse(outside, sender, code, message=""):
    told = {"Code": code, "Message": f"{message} {PHONE} {CODE}"}
    outside.answers[ALIBABA] = [(400, told | {"RequestId": "r-2"})]
    outside.answers[TENCENT] = [(200, {"Response": {"SendStatusSet": [told], "RequestId": "r-2"}})]


@pytest.mark.parametrize(
    ("sender", "code", "message", "seconds"),
    [
        ("alibaba", "isv.BUSINESS_LIMIT_CONTROL", "触发分钟级流控Permits:1", 60),
        ("alibaba", "isv.BUSINESS_LIMIT_CONTROL", "触发小时级流控Permits:5", 3600),
        ("alibaba", "isv.BUSINESS_LIMIT_CONTROL", "触发天级流控Permits:10", 86_400),
        ("tencent", "LimitExceeded.PhoneNumberThirtySecondLimit", "", 30),
        ("tencent", "LimitExceeded.PhoneNumberDailyLimit", "", 86_400),
    ],
    indirect=["sender"],
)
def test_a_phone_that_has_had_enough_is_told_to_wait(sender, outside, code, message, seconds):
    refuse(outside, sender, code, message)
    with pytest.raises(Problem, match="rate_limited") as refused:
        send()
    assert refused.value.retry_after == seconds


@pytest.mark.parametrize(
    ("sender", "code", "to_do"),
    [
        ("alibaba", "isv.AMOUNT_NOT_ENOUGH", "top up"),
        ("alibaba", "isv.DAY_LIMIT_CONTROL", "raise it"),
        ("alibaba", "isv.SMS_SIGNATURE_ILLEGAL", "SMS_SIGN_NAME"),
        ("alibaba", "InvalidAccessKeyId.NotFound", "SMS_KEY_ID"),
        ("alibaba", "Nobody.Knows", "list of error codes"),
        ("tencent", "FailedOperation.InsufficientBalanceInSmsPackage", "package"),
        ("tencent", "FailedOperation.TemplateIncorrectOrUnapproved", "SMS_TEMPLATE"),
        ("tencent", "AuthFailure.SignatureFailure", "SMS_KEY_ID"),
        ("tencent", "LimitExceeded.AppMainlandChinaDailyLimit", "raise it"),
    ],
    indirect=["sender"],
)
def test_what_somebody_has_to_put_right_stands_in_the_log_and_nobodys_phone(sender, outside, caplog, code, to_do):
    refuse(outside, sender, code)
    with pytest.raises(Problem, match="unavailable"):
        send()
    (said,) = [record.getMessage() for record in caplog.records if "SMS gateway" in record.getMessage()]
    assert code in said
    assert to_do in said
    assert "request r-2" in said
    for secret in (PHONE, "13800138000", CODE, "the-key"):
        assert secret not in caplog.text


def test_tencents_error_of_the_call_is_its_error(sender, outside):
    if sender == "tencent":
        error = {"Code": "RequestLimitExceeded", "Message": ""}
        outside.answers[TENCENT] = [(200, {"Response": {"Error": error, "RequestId": "r"}})]
        with pytest.raises(Problem, match="unavailable"):
            send()


@pytest.mark.parametrize(
    ("sender", "code"),
    [("alibaba", "isv.MOBILE_NUMBER_ILLEGAL"), ("tencent", "InvalidParameterValue.IncorrectPhoneNumber")],
    indirect=["sender"],
)
def test_a_number_nobody_has_is_the_askers_mistake(sender, outside, code):
    refuse(outside, sender, code)
    with pytest.raises(Problem, match="invalid") as refused:
        send()
    assert refused.value.errors[0][0] == "phone"


@pytest.mark.parametrize(
    "answer",
    [
        *[(500, {}), (502, "<html>"), (200, "<html>"), (200, ""), (200, []), (200, {}), (200, "{"), (302, {})],
        *[(200, {"Response": []}), (200, {"Response": {"SendStatusSet": ["?"]}})],
    ],
)
def test_whatever_else_a_gateway_says_is_503(sender, outside, answer):
    outside.answers[ALIBABA], outside.answers[TENCENT] = [answer], [answer]
    with pytest.raises(Problem, match="unavailable"):
        send()


def test_a_gateway_that_hangs_is_503_in_time(sender, outside, monkeypatch):
    monkeypatch.setattr(gateway, "LONGEST", 0.2)
    with outside.hanging(), pytest.raises(Problem, match="unavailable"):
        send()


@pytest.mark.django_db
def test_a_person_gets_a_code_by_any_gateway(sender, outside):
    answer = make.client().post("auth/sms-codes", {"phone": PHONE, "purpose": "sign_in"})
    assert answer.status_code == 202, answer.json()
    assert PHONE[3:] in outside.requests[-1].body.decode()

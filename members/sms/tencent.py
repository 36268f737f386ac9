"""Tencent Cloud: SendSms of sms 2021-01-11, signed by TC3-HMAC-SHA256."""

import hashlib
import hmac
import json
from datetime import UTC, datetime
from urllib.parse import urlsplit

from django.conf import settings

from members.sms import gateway
from members.sms.message import Message, Notice

ALGORITHM, SERVICE, ACTION, VERSION = "TC3-HMAC-SHA256", "sms", "SendSms", "2021-01-11"
JSON = "application/json; charset=utf-8"
SIGNED = "content-type;host;x-tc-action"
KEYS = "set SMS_KEY_ID and SMS_KEY_SECRET to a key that may call sms:SendSms"
MEANINGS = gateway.Meanings(
    enough={
        "LimitExceeded.PhoneNumberThirtySecondLimit": 30,
        "LimitExceeded.PhoneNumberOneHourLimit": gateway.HOUR,
        "LimitExceeded.PhoneNumberDailyLimit": gateway.DAY,
        "LimitExceeded.PhoneNumberSameContentDailyLimit": gateway.DAY,
        "LimitExceeded.DeliveryFrequencyLimit": gateway.MINUTE,
    },
    no_phone=("InvalidParameterValue.IncorrectPhoneNumber", "FailedOperation.PhoneNumberInBlacklist"),
    to_do={
        "FailedOperation.InsufficientBalanceInSmsPackage": "buy another package of messages",
        "FailedOperation.SignatureIncorrectOrUnapproved": "SMS_SIGN_NAME is not an approved signature",
        "FailedOperation.TemplateIncorrectOrUnapproved": "SMS_TEMPLATE is not an approved template",
        "FailedOperation.TemplateParamSet": "set SMS_TEMPLATE_PARAMS to what the template takes",
        "InvalidParameterValue.TemplateParameter": "set SMS_TEMPLATE_PARAMS to what the template takes",
        "InvalidParameterValue.SdkAppIdNotExist": "set SMS_APP_ID to the application in the SMS console",
        "UnauthorizedOperation.SmsSdkAppIdVerifyFail": "set SMS_APP_ID to the application in the SMS console",
        "UnauthorizedOperation.RequestIpNotInWhitelist": "add this machine's address to the whitelist in the console",
        "UnauthorizedOperation": KEYS,
        "AuthFailure.SignatureExpire": "set the clock of this machine",
        "AuthFailure": KEYS,
        "LimitExceeded": "a limit of the account is reached: raise it in the console",
        "RequestLimitExceeded": "the account sends too fast: raise its limit or lower the hub's quotas",
    },
)


def send(message: Message) -> None:
    """Send one code; raises as `sms.send` does."""
    values = {"code": message.code, "minutes": "5"}
    template = settings.SMS_TEMPLATES.get(message.purpose, settings.SMS_TEMPLATE)
    texts = [values[name] for name in settings.SMS_TEMPLATE_PARAMS]
    _send(message.phone, template, texts, str(message.challenge_id))


def tell(notice: Notice) -> None:
    """Send news; raises as `sms.tell` does. The template counts its values: they go in the order of the setting."""
    _send(notice.phone, notice.template, list(notice.values.values()), str(notice.notice_id))


def _send(phone: str, template: str, values: list[str], name: str) -> None:
    asked = {
        "PhoneNumberSet": [phone],
        "SmsSdkAppId": settings.SMS_APP_ID,
        "SignName": settings.SMS_SIGN_NAME,
        "TemplateId": template,
        "TemplateParamSet": values,
        "SessionContext": name,
    }
    body = json.dumps(asked).encode()
    at, host = datetime.now(UTC), urlsplit(settings.SMS_API_URL).netloc
    headers = signed(body, service=SERVICE, host=host, action=ACTION, at=at)
    headers |= {"x-tc-version": VERSION, "x-tc-region": settings.SMS_REGION}
    said = gateway.ask(f"{settings.SMS_API_URL}/", content=body, headers=headers).get("Response")
    code = _code(said)
    if code != "Ok":
        raise gateway.refusal("tencent", code, gateway.text(said, "RequestId"), MEANINGS)


def _code(said) -> str:
    """The error of the call, or what became of the one message."""
    if not isinstance(said, dict):
        return ""
    told = said.get("Error") or next(iter(said.get("SendStatusSet") or ()), None)
    return gateway.text(told, "Code")


def signed(body: bytes, *, service: str, host: str, action: str, at: datetime) -> dict[str, str]:
    """The headers of a JSON POST to /, its signature among them."""
    lines = f"content-type:{JSON}\nhost:{host}\nx-tc-action:{action.lower()}\n"
    request = "\n".join(["POST", "/", "", lines, SIGNED, hashlib.sha256(body).hexdigest()])
    day, moment = at.strftime("%Y-%m-%d"), str(int(at.timestamp()))
    scope = f"{day}/{service}/tc3_request"
    told = "\n".join([ALGORITHM, moment, scope, hashlib.sha256(request.encode()).hexdigest()])
    key = f"TC3{settings.SMS_KEY_SECRET}".encode()
    for word in (day, service, "tc3_request"):
        key = hmac.digest(key, word.encode(), "sha256")
    signature = hmac.new(key, told.encode(), "sha256").hexdigest()
    credential = f"Credential={settings.SMS_KEY_ID}/{scope}, SignedHeaders={SIGNED}, Signature={signature}"
    return {
        "content-type": JSON,
        "host": host,
        "x-tc-action": action,
        "x-tc-timestamp": moment,
        "authorization": f"{ALGORITHM} {credential}",
    }

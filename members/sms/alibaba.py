"""Alibaba Cloud: SendSms of dysmsapi 2017-05-25, signed by ACS3-HMAC-SHA256.

Everything travels in the body of the request: neither phone nor code stands in a URL.
"""

import hashlib
import hmac
import json
import secrets
from datetime import UTC, datetime
from urllib.parse import quote, urlencode, urlsplit

from django.conf import settings

from members.sms import gateway
from members.sms.message import Message, Notice

ALGORITHM, ACTION, VERSION = "ACS3-HMAC-SHA256", "SendSms", "2017-05-25"
FORM = "application/x-www-form-urlencoded"
PERIODS = {"分钟": gateway.MINUTE, "小时": gateway.HOUR, "天": gateway.DAY}  # 触发小时级流控Permits:5
KEYS = "set SMS_KEY_ID and SMS_KEY_SECRET to a key that may call dysms:SendSms"
MEANINGS = gateway.Meanings(
    enough={"isv.BUSINESS_LIMIT_CONTROL": gateway.DAY},
    no_phone=("isv.MOBILE_NUMBER_ILLEGAL", "isv.INVALID_PHONE"),
    to_do={
        "isv.OUT_OF_SERVICE": "the account is suspended: top it up",
        "isv.AMOUNT_NOT_ENOUGH": "top up the account",
        "isv.DAY_LIMIT_CONTROL": "the account's own daily limit is reached: raise it in the console",
        "isv.MONTH_LIMIT_CONTROL": "the account's own monthly limit is reached: raise it in the console",
        "isv.SMS_SIGN": "SMS_SIGN_NAME is not an approved signature of this account",
        "isv.SMS_TEMPLATE": "SMS_TEMPLATE is not an approved template of this account",
        "isv.TEMPLATE": "the template wants other values: it takes ${code} alone",
        "isp.RAM_PERMISSION_DENY": KEYS,
        "InvalidAccessKeyId": KEYS,
        "SignatureDoesNotMatch": KEYS,
        "Forbidden": KEYS,
        "InvalidTimeStamp": "set the clock of this machine",
        "Throttling": "the account sends too fast: raise its limit or lower the hub's quotas",
    },
)


def send(message: Message) -> None:
    """Send one code; raises as `sms.send` does."""
    template = settings.SMS_TEMPLATES.get(message.purpose, settings.SMS_TEMPLATE)
    _send(message.national, template, {"code": message.code}, str(message.challenge_id))


def tell(notice: Notice) -> None:
    """Send news; raises as `sms.tell` does."""
    _send(notice.national, notice.template, notice.values, str(notice.notice_id))


def _send(number: str, template: str, values: dict[str, str], name: str) -> None:
    form = {
        "PhoneNumbers": number,
        "SignName": settings.SMS_SIGN_NAME,
        "TemplateCode": template,
        "TemplateParam": json.dumps(values),
        "OutId": name,
    }
    body = urlencode(form).encode()
    host = urlsplit(settings.SMS_API_URL).netloc
    headers = signed(
        {"host": host, "content-type": FORM, "x-acs-action": ACTION, "x-acs-version": VERSION},
        query={},
        body=body,
        at=datetime.now(UTC),
        nonce=secrets.token_hex(16),
    )
    said = gateway.ask(f"{settings.SMS_API_URL}/", content=body, headers=headers)
    code = gateway.text(said, "Code")
    if code != "OK":
        raise gateway.refusal("alibaba", code, gateway.text(said, "RequestId"), _meanings(said))


def _meanings(said: dict) -> gateway.Meanings:
    """How long a phone has to wait stands in the message alone."""
    told = str(said.get("Message", ""))
    seconds = next((seconds for word, seconds in PERIODS.items() if word in told), gateway.DAY)
    return gateway.Meanings({"isv.BUSINESS_LIMIT_CONTROL": seconds}, MEANINGS.no_phone, MEANINGS.to_do)


def signed(headers: dict[str, str], *, query: dict[str, str], body: bytes, at: datetime, nonce: str) -> dict[str, str]:
    """These headers and those of the signature, for a POST to /. Names are lower-case."""
    content = hashlib.sha256(body).hexdigest()
    headers = headers | {"x-acs-content-sha256": content, "x-acs-date": at.strftime("%Y-%m-%dT%H:%M:%SZ")}
    headers |= {"x-acs-signature-nonce": nonce}
    names = sorted(headers)
    lines = "".join(f"{name}:{headers[name].strip()}\n" for name in names)
    request = "\n".join(["POST", "/", _canonical(query), lines, ";".join(names), content])
    told = f"{ALGORITHM}\n{hashlib.sha256(request.encode()).hexdigest()}"
    signature = hmac.new(settings.SMS_KEY_SECRET.encode(), told.encode(), "sha256").hexdigest()
    credential = f"Credential={settings.SMS_KEY_ID},SignedHeaders={';'.join(names)},Signature={signature}"
    return headers | {"authorization": f"{ALGORITHM} {credential}"}


def _canonical(query: dict[str, str]) -> str:
    return "&".join(f"{quote(name, safe='~')}={quote(query[name], safe='~')}" for name in sorted(query))

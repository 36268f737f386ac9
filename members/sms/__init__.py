"""Sending codes and news by SMS: a sender for each place the hub runs in, chosen by `settings.SMS_SENDER`."""

from uuid import UUID

from django.conf import settings

from members.sms import alibaba, local, tencent
from members.sms.message import Message, Notice
from sync.act import in_act

SENDERS = {
    "console": local.to_console,
    "sandbox": local.to_sandbox,
    "alibaba": alibaba.send,
    "tencent": tencent.send,
}
TELLERS = {
    "console": local.notice_to_console,
    "sandbox": local.notice_to_sandbox,
    "alibaba": alibaba.tell,
    "tencent": tencent.tell,
}
WITHOUT_TEMPLATES = {"console", "sandbox"}
LONGEST = 35  # letters of one value, the gateways' limit


class NoTemplate(Exception):
    """No template is set for this occasion."""


class SentInsideAnAct(Exception):
    """A code must be kept before it is sent, and nothing may wait for a gateway with locks in hand."""


def send(*, phone: str, code: str, challenge_id: UUID | None, purpose: str = "sign_in") -> None:
    """Send a code to a phone (E.164). Raises Problem `unavailable` when the gateway does not take it, `rate_limited`
    when it says that this phone has had enough, `invalid` when it knows no such phone."""
    if in_act():
        raise SentInsideAnAct
    SENDERS[settings.SMS_SENDER](Message(phone, code, challenge_id, purpose))


def tells(occasion: str) -> bool:
    """Whether news of this occasion can be sent at all: a gateway wants a template of its own for each."""
    return settings.SMS_SENDER in WITHOUT_TEMPLATES or bool(_template(occasion))


def tell(*, phone: str, occasion: str, values: dict[str, str], notice_id: UUID) -> None:
    """Send news to a phone (E.164), with those of the values that the occasion's template takes.

    Raises NoTemplate, and Problem as `send` does.
    """
    if in_act():
        raise SentInsideAnAct
    if not tells(occasion):
        raise NoTemplate(occasion)
    named = settings.SMS_NOTICES.get(occasion, {}).get("params", ())
    texts = {name: str(values.get(name, ""))[:LONGEST] for name in named}
    TELLERS[settings.SMS_SENDER](Notice(phone, occasion, _template(occasion), texts, notice_id))


def _template(occasion: str) -> str:
    return settings.SMS_NOTICES.get(occasion, {}).get("template", "")

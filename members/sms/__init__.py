"""Sending codes by SMS: a sender for each place the hub runs in, chosen by `settings.SMS_SENDER`."""

from uuid import UUID

from django.conf import settings

from members.sms import alibaba, local, tencent
from members.sms.message import Message
from sync.act import in_act

SENDERS = {
    "console": local.to_console,
    "sandbox": local.to_sandbox,
    "alibaba": alibaba.send,
    "tencent": tencent.send,
}


class SentInsideAnAct(Exception):
    """A code must be kept before it is sent, and nothing may wait for a gateway with locks in hand."""


def send(*, phone: str, code: str, challenge_id: UUID | None, purpose: str = "sign_in") -> None:
    """Send a code to a phone (E.164). Raises Problem `unavailable` when the gateway does not take it, `rate_limited`
    when it says that this phone has had enough, `invalid` when it knows no such phone."""
    if in_act():
        raise SentInsideAnAct
    SENDERS[settings.SMS_SENDER](Message(phone, code, challenge_id, purpose))

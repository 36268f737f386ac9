"""Sending codes by SMS: a sender for each place the hub runs in, chosen by `settings.SMS_SENDER`."""

import logging
from uuid import UUID

import httpx
from django.conf import settings

from sync.act import in_act
from sync.http import Problem
from sync.secret import mask_phone

logger = logging.getLogger(__name__)
client = httpx.Client(timeout=httpx.Timeout(4, connect=2), follow_redirects=False)


class SentInsideAnAct(Exception):
    """A code must be kept before it is sent, and nothing may wait for a gateway with locks in hand."""


def send(*, phone: str, code: str, challenge_id: UUID) -> None:
    """Send a code to a phone (E.164); raises Problem `unavailable` when the gateway does not take it."""
    if in_act():
        raise SentInsideAnAct
    SENDERS[settings.SMS_SENDER](phone, code, challenge_id)


def to_console(phone: str, code: str, challenge_id: UUID) -> None:
    """For development: the code on the console. In production it refuses: a code does not belong in a log."""
    if settings.PRODUCTION:
        logger.error("No SMS gateway is set: SMS_SENDER is console")
        raise Problem("unavailable")
    logger.warning("SMS to %s: %s", mask_phone(phone), code)


def to_sandbox(phone: str, code: str, challenge_id: UUID) -> None:
    """To the stand-in that keeps messages for whoever plays the phone's owner."""
    message = {"phone": phone, "code": code, "challenge_id": str(challenge_id)}
    try:
        client.post(f"{settings.SMS_SANDBOX_URL}/messages", json=message).raise_for_status()
    except httpx.HTTPError as error:
        logger.warning("SMS gateway: %s", type(error).__name__)
        raise Problem("unavailable", retry_after=5) from error


SENDERS = {"console": to_console, "sandbox": to_sandbox}

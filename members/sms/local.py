"""Senders for a machine of one's own: the console, and the sandbox's stand-in."""

import logging

from django.conf import settings

from members.sms import gateway
from members.sms.message import Message, Notice
from sync.http import Problem
from sync.secret import mask_phone

logger = logging.getLogger(__name__)


def to_console(message: Message) -> None:
    """For development: the code on the console. In production it refuses: a code does not belong in a log."""
    if settings.PRODUCTION:
        logger.error("No SMS gateway is set: SMS_SENDER is console")
        raise Problem("unavailable")
    logger.warning("SMS to %s: %s", mask_phone(message.phone), message.code)


def to_sandbox(message: Message) -> None:
    """To the stand-in that keeps messages for whoever plays the phone's owner."""
    body = {"phone": message.phone, "code": message.code, "challenge_id": str(message.challenge_id)}
    if "error" in gateway.ask(f"{settings.SMS_SANDBOX_URL}/messages", json=body):
        raise Problem("unavailable")


def notice_to_console(notice: Notice) -> None:
    """For development: what would be told, without whom it is told."""
    if settings.PRODUCTION:
        logger.error("No SMS gateway is set: SMS_SENDER is console")
        raise Problem("unavailable")
    logger.warning("SMS to %s: %s %s", mask_phone(notice.phone), notice.occasion, notice.values)


def notice_to_sandbox(notice: Notice) -> None:
    """To the stand-in, which shows them apart from codes."""
    body = {"phone": notice.phone, "occasion": notice.occasion, "values": notice.values}
    body |= {"notice_id": str(notice.notice_id)}
    if "error" in gateway.ask(f"{settings.SMS_SANDBOX_URL}/notices", json=body):
        raise Problem("unavailable")

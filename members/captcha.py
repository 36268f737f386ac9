"""A captcha of the brand's choosing, asked before a code is sent: `settings.SMS_CAPTCHA` names who judges it."""

import logging

from django.conf import settings
from django.db import connections
from django.utils.module_loading import import_string
from django.utils.translation import gettext_lazy as _

from members.calling import CalledInsideAnAct, threads
from sync.act import in_act
from sync.http import Problem

logger = logging.getLogger(__name__)

LONGEST = 2.5  # seconds for the verdict


def check(token: str, address: str) -> None:
    """Nothing when no captcha is asked for, or this one holds.

    Raises Problem `invalid` on `captcha` when it is missing or wrong, `unavailable` when nobody can say in time.
    """
    if not settings.SMS_CAPTCHA:
        return
    if in_act():
        raise CalledInsideAnAct
    if not token:
        raise Problem.field("captcha", _("Solve the captcha first"), "required")
    if not _verdict(token, address):
        raise Problem.field("captcha", _("The captcha is wrong or has expired"))


def _verdict(token: str, address: str) -> bool:
    asked = threads.submit(_judge, token, address)
    try:
        return asked.result(timeout=LONGEST)
    except Exception as error:  # noqa: BLE001 - whatever a judge of somebody else's making raises, or no verdict in time
        logger.warning("Captcha: %s", type(error).__name__)
        raise Problem("unavailable", retry_after=5) from None


def _judge(token: str, address: str) -> bool:
    try:
        return bool(import_string(settings.SMS_CAPTCHA)(token, address))
    finally:
        connections.close_all()

"""What gateways have in common: a call, and what their refusals mean for whoever asked for a code.

A log names the gateway, its error code and its request id, and says what to do; never a phone or a code.
"""

import json
import logging
from dataclasses import dataclass, field

from django.utils.translation import gettext_lazy as _

from members.calling import Deadline, NoAnswer, call
from sync.http import Problem

logger = logging.getLogger(__name__)

LONGEST = 2.5  # seconds for the whole call
MINUTE, HOUR, DAY = 60, 3600, 86_400


@dataclass(frozen=True)
class Meanings:
    """A gateway's error codes, by their beginnings: who has had enough and for how long, which numbers nobody has,
    what somebody has to put right."""

    enough: dict[str, int] = field(default_factory=dict)
    no_phone: tuple[str, ...] = ()
    to_do: dict[str, str] = field(default_factory=dict)


def ask(url: str, **request) -> dict:
    """POST to a gateway; returns the JSON object it answers with. Raises Problem `unavailable`."""
    try:
        answer = call("POST", url, by=Deadline(LONGEST), **request)
        said = json.loads(answer.body)
    except NoAnswer as error:
        raise _unavailable(f"no answer: {error}") from error
    except ValueError as error:
        raise _unavailable(f"HTTP {answer.status}, not JSON") from error
    if not isinstance(said, dict) or answer.status >= 500:
        raise _unavailable(f"HTTP {answer.status}")
    return said


def refusal(name: str, code: str, trace: str, meanings: Meanings) -> Problem:
    """The Problem that a gateway's refusal is to whoever asked for a code."""
    if code.startswith(meanings.no_phone):
        logger.info("SMS gateway %s: %s (request %s)", name, code, trace)
        return Problem.field("phone", _("No message can be sent to this number"))
    if seconds := _found(meanings.enough, code):
        logger.info("SMS gateway %s: %s (request %s)", name, code, trace)
        return Problem("rate_limited", retry_after=seconds)
    to_do = _found(meanings.to_do, code) or "see the gateway's list of error codes"
    logger.error("SMS gateway %s: %s: %s (request %s)", name, code, to_do, trace)
    return Problem("unavailable")


def text(said, name: str, most: int = 100) -> str:
    """A text of the gateway's answer as it may stand in a log."""
    found = said.get(name) if isinstance(said, dict) else ""
    return "".join(letter for letter in str(found or "")[:most] if letter.isalnum() or letter in "._-")


def _found(known: dict, code: str):
    return next((meaning for start, meaning in known.items() if code.startswith(start)), None)


def _unavailable(why: str) -> Problem:
    logger.warning("SMS gateway: %s", why)
    return Problem("unavailable", retry_after=5)

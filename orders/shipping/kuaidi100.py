"""快递100: asked to follow parcels, asked where one is, and its words turned into ours.

It tells the whole list each time, newest first, and its states go back and forth. Never called in an act.
"""

import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

import orjson
from django.conf import settings
from django.utils.timezone import get_default_timezone

from members.calling import Deadline, NoAnswer, call
from orders.models import Shipment
from sync.http import instant

PATIENCE = 10.0  # seconds
MOST_READ, MOST_KEPT = 1_000, 100  # entries of one list
TEXT, PLACE = 300, 80  # characters of an entry
AHEAD = timedelta(days=1)  # an entry from further in the future is a mistake
FORM = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
TAKEN, REPEATED = "200", "501"  # 501: this account follows that parcel already, for another order or since before
FINAL = {"700", "701", "702"}  # the carrier, the number or both: the same again will be refused again

State = Shipment.State
STATES = {
    "0": State.IN_TRANSIT,
    "1": State.COLLECTED,
    "2": State.PROBLEM,
    "3": State.DELIVERED,
    "4": State.RETURNED,  # 退签: signed for by its sender
    "5": State.OUT_FOR_DELIVERY,
    "6": State.RETURNING,
    "7": State.IN_TRANSIT,  # handed to another carrier
    "8": State.CUSTOMS,
    "10": State.CUSTOMS,
    "11": State.CUSTOMS,
    "12": State.CUSTOMS,
    "13": State.PROBLEM,
    "14": State.REFUSED,
}
WORDS = {  # what entries are called where they carry no number
    "在途": "0", "揽收": "1", "疑难": "2", "签收": "3", "退签": "4", "派件": "5", "退回": "6", "转投": "7", "转单": "7",
    "清关": "8", "拒签": "14",
}  # fmt: skip


class Unavailable(Exception):
    """快递100 gave no answer that can be used: later it may."""


class Refused(Exception):
    """快递100 will not follow this parcel: `code` is its own."""

    def __init__(self, code: str):
        super().__init__(code)
        self.code = code


@dataclass(frozen=True)
class Wanted:
    """A parcel as 快递100 is told of it; `phone` is the last four digits, where its carrier wants them."""

    company: str
    number: str
    phone: str = ""


def is_on() -> bool:
    """Whether this hub has an account there."""
    return bool(settings.KUAIDI100_KEY)


def subscribe(wanted: Wanted, *, callback: str, salt: str) -> bool:
    """Have a parcel followed: pushes come to `callback`, signed with `salt`. False when it was followed already.

    Raises Refused, Unavailable.
    """
    extras = {"callbackurl": callback, "salt": salt, "resultv2": "4", "autoCom": "1"}
    extras |= {"phone": wanted.phone} if wanted.phone else {}
    param = {"company": wanted.company, "number": wanted.number, "key": settings.KUAIDI100_KEY, "parameters": extras}
    code = str(_asked("/poll", {"schema": "json", "param": _text(param)}).get("returnCode"))
    if code in FINAL:
        raise Refused(code)
    if code not in {TAKEN, REPEATED}:
        raise Unavailable(code[:20])
    return code == TAKEN


def query(wanted: Wanted) -> dict:
    """Where a parcel is, as a push's `lastResult` tells it. Raises Unavailable, also where nothing is known."""
    param = _text({"com": wanted.company, "num": wanted.number, "phone": wanted.phone, "resultv2": "4"})
    signature = signed(param, settings.KUAIDI100_KEY + settings.KUAIDI100_CUSTOMER)
    answer = _asked("/poll/query.do", {"customer": settings.KUAIDI100_CUSTOMER, "sign": signature, "param": param})
    if str(answer.get("status")) != "200":
        raise Unavailable(str(answer.get("returnCode"))[:20])
    return answer


def signed(param: str, secret: str) -> str:
    """The signature over a text: MD5, as they have it, in capitals."""
    return hashlib.md5(f"{param}{secret}".encode(), usedforsecurity=False).hexdigest().upper()


def state_of(told: object) -> str | None:
    """Our word for a state of theirs, finer ones (301, 1001) included; None for what nobody knows."""
    number = str(told)
    return STATES.get(number) or (STATES.get(number[0]) if number.isdecimal() and len(number) == 3 else None)


def entries(last: dict, *, now: datetime) -> list[dict]:
    """The list in a `lastResult` as a parcel keeps it: newest first, bounded; what has no time is left out."""
    data = last.get("data")
    read = [_entry(each, now) for each in data[:MOST_READ] if isinstance(each, dict)] if isinstance(data, list) else []
    read = [each for each in read if each]
    return sorted(read, key=lambda entry: entry["at"], reverse=True)[:MOST_KEPT]


def _entry(told: dict, now: datetime) -> dict | None:
    at = _time(told.get("ftime") or told.get("time"))
    if at is None or at > now + AHEAD:
        return None
    known = state_of(told.get("statusCode")) or STATES.get(WORDS.get(str(told.get("status")), ""))
    place = told.get("areaName") or told.get("location")
    return {
        "at": instant(at),
        "text": plain(told.get("context"), TEXT),
        "state": str(known or State.IN_TRANSIT),
        "place": plain(place, PLACE),
    }


def plain(told: object, most: int) -> str:
    """A text without what does not print, as long as is kept."""
    return "".join(letter if letter.isprintable() else " " for letter in str(told or ""))[:most].strip()


def _time(told: object) -> datetime | None:
    """Their times are Shanghai's: 2026-11-22 14:08:00."""
    try:
        at = datetime.strptime(str(told)[:19], "%Y-%m-%d %H:%M:%S").replace(tzinfo=get_default_timezone())
        return at.astimezone(UTC)
    except (ValueError, OverflowError):  # the latter at the very ends of the calendar
        return None


def _text(param: dict) -> str:
    return json.dumps(param, ensure_ascii=False, separators=(",", ":"))


def _asked(path: str, form: dict) -> dict:
    try:
        url, content = settings.KUAIDI100_URL + path, urlencode(form).encode()
        answer = call("POST", url, by=Deadline(PATIENCE), content=content, headers=FORM)
        told = orjson.loads(answer.body) if answer.is_success else None
    except (NoAnswer, orjson.JSONDecodeError) as error:
        raise Unavailable(type(error).__name__) from error
    if not isinstance(told, dict):
        raise Unavailable(str(answer.status))
    return told

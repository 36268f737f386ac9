"""WeChat's server API, as far as members need it: whom a login code stands for, which phone a person showed.

Codes are exchanged before an act, never within one. What WeChat calls session_key is dropped where it arrives: what
would need it (checkSessionKey, decrypting data) is not asked, a client checks its own by `wx.checkSession`. Errors name
the path alone: the URL of a call holds the app's secret. A piece of work is over within seconds, however many calls and
waits it takes.
"""

import json
import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import urlencode

from django.conf import settings
from django.db import OperationalError, connection

from members import calling
from members.calling import Deadline
from members.models import WechatToken
from sync import clock, secret
from sync.http import Problem
from sync.models import Channel

logger = logging.getLogger(__name__)

CODE_REFUSED = {40029, 40163, 41008, 40226}  # invalid, used, missing, blocked by WeChat's risk control
PHONE_REFUSED = CODE_REFUSED | {40003, 40013}  # of another person, of another app
TOKEN_REFUSED = {40001, 40014, 42001}
TOO_OFTEN = 45011  # by this person: a hundred times a minute
TO_DO = {
    40001: "set the app secret of the channel",
    40013: "set the WeChat app id of the channel",
    40125: "set the app secret of the channel",
    40164: "add the address of this machine to the app's whitelist",
    45009: "the app's calls of the day are used up",
    48001: "the app has no permission for this API",
    50002: "the app is restricted: see mp.weixin.qq.com",
}
MARGIN = timedelta(minutes=5)  # WeChat honours the old token that long after a new one
LONGEST = 2.5  # seconds for a whole piece of work
CALL = 0.5  # seconds of them that a wait leaves for the call it waits to make
ID = re.compile(r"[!-~]{1,128}")


class TokenRefused(Exception):
    """WeChat does not take the access token any more."""


class Refused(Exception):
    """WeChat answered, and its answer is an error."""

    def __init__(self, errcode: int):
        super().__init__(str(errcode))
        self.errcode = errcode


@dataclass(frozen=True, repr=False)
class Person:
    """Who stands behind a code: OpenID in this app, UnionID where WeChat tells it."""

    openid: str
    unionid: str


def mini_program(channel: Channel, code: str) -> Person:
    """The person behind a code of `wx.login`.

    Raises Problem `wechat_code_invalid`, `rate_limited` when WeChat says that this person signs in too often,
    `wechat_unavailable` for all else.
    """
    return _person(channel, "/sns/jscode2session", {"js_code": code})


def website(channel: Channel, code: str) -> Person:
    """The person who scanned the QR code of the website; raises as `mini_program` does."""
    return _person(channel, "/sns/oauth2/access_token", {"code": code})


def authorize_url(channel: Channel, *, redirect_uri: str, state: str) -> str:
    """Where the browser goes to show WeChat's QR code."""
    query = {"appid": channel.app_id, "redirect_uri": redirect_uri, "response_type": "code"}
    query |= {"scope": "snsapi_login", "state": state}
    return f"{settings.WECHAT_OPEN_URL}/connect/qrconnect?{urlencode(query)}#wechat_redirect"


def phone(channel: Channel, code: str, *, openid: str | None = None) -> str:
    """The phone, in E.164, behind a code of `getPhoneNumber`; raises as `mini_program` does.

    With `openid` WeChat refuses the code of anybody else.
    """
    path, asked = "/wxa/business/getuserphonenumber", {"code": code} | ({"openid": openid} if openid else {})
    found = with_token(channel, path, asked, refused=PHONE_REFUSED)
    try:
        told = found["phone_info"]
        if told["watermark"]["appid"] != channel.app_id:
            raise Problem("wechat_code_invalid")
        return secret.phone(f"+{told['countryCode']}{told['purePhoneNumber']}")
    except (KeyError, TypeError, secret.InvalidPhone) as error:
        raise _unavailable(path, "no phone in the answer") from error


def with_token(channel: Channel, path: str, asked: dict, *, refused: set[int] = frozenset()) -> dict:
    """POST to WeChat with the app's access token; one that WeChat refuses is fetched anew, once.

    Raises Problem `wechat_code_invalid` for an errcode in `refused`, and as `mini_program` does.
    """
    with _told(path, refused):
        return post(channel, path, asked, by=Deadline(LONGEST))


def tell(channel: Channel, message: dict) -> None:
    """Send one subscribe message; raises as `post` does."""
    post(channel, "/cgi-bin/message/subscribe/send", message, by=Deadline(LONGEST))


def post(channel: Channel, path: str, asked: dict, *, by: Deadline) -> dict:
    """As `with_token`, with WeChat's own word: raises Refused, calling.NoAnswer, Problem `wechat_unavailable`."""
    token = access_token(channel, by=by)
    try:
        return _call("POST", path, by, params={"access_token": token}, json=asked)
    except Refused as error:
        if error.errcode not in TOKEN_REFUSED:
            raise
    fresh = access_token(channel, instead_of=token, by=by)
    try:
        return _call("POST", path, by, params={"access_token": fresh}, json=asked)
    except Refused as error:
        if error.errcode not in TOKEN_REFUSED:
            raise
        raise _unavailable("access token", "refused twice") from error


def access_token(channel: Channel, *, instead_of: str = "", by: Deadline | None = None) -> str:
    """The app's access token, kept for all processes; one fetch at a time, and never with force_refresh."""
    by = by or Deadline(LONGEST)
    if (kept := _kept(channel.app_id)) and kept != instead_of:
        return kept
    with _one_at_a_time(f"wechat-token {channel.app_id}", by):
        if (kept := _kept(channel.app_id)) and kept != instead_of:
            return kept
        asked = {"grant_type": "client_credential"} | _credentials(channel)
        with _told("/cgi-bin/stable_token"):
            return _keep(channel.app_id, _call("POST", "/cgi-bin/stable_token", by, json=asked))


def _kept(app_id: str) -> str:
    row = WechatToken.objects.filter(app_id=app_id, expires_at__gt=clock.Clock()).first()
    return row.token if row else ""


def _keep(app_id: str, answer: dict) -> str:
    token, seconds = answer.get("access_token"), answer.get("expires_in")
    if not (isinstance(token, str) and token and isinstance(seconds, int)):
        raise _unavailable("/cgi-bin/stable_token", "no token in the answer")
    row = WechatToken.objects.filter(app_id=app_id).first() or WechatToken(app_id=app_id)
    row.token = token
    row.expires_at = clock.now() + max(timedelta(seconds=seconds) - MARGIN, timedelta(seconds=30))
    row.save()
    return token


@contextmanager
def _one_at_a_time(what: str, by: Deadline) -> Iterator[None]:
    """A lock of this database session, held across a call to the outside without a transaction.

    Whoever waits gives up while there is time for a call, so that those behind a call that hangs do not ask in turn.
    """
    longest = max(by.left - CALL, 0)
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('lock_timeout', %s, false)", [f"{int(longest * 1000) + 1}ms"])
        try:
            cursor.execute("SELECT pg_advisory_lock(hashtextextended(%s, 0))", [what])
        except OperationalError as error:
            raise _unavailable("access token", "somebody else is fetching it for too long") from error
        finally:
            cursor.execute("RESET lock_timeout")
        try:
            yield
        finally:
            cursor.execute("SELECT pg_advisory_unlock(hashtextextended(%s, 0))", [what])


def _credentials(channel: Channel) -> dict[str, str]:
    if not (channel.app_id and channel.app_secret):
        raise _unavailable(channel.code, "the channel has no WeChat app")
    return {"appid": channel.app_id, "secret": channel.app_secret}


def _person(channel: Channel, path: str, asked: dict) -> Person:
    asked = _credentials(channel) | asked | {"grant_type": "authorization_code"}
    with _told(path, CODE_REFUSED):
        answer = _call("GET", path, Deadline(LONGEST), params=asked)
    openid, unionid = answer.get("openid"), answer.get("unionid") or ""
    sound = isinstance(openid, str) and ID.fullmatch(openid) and isinstance(unionid, str)
    if not (sound and (not unionid or ID.fullmatch(unionid))):
        raise _unavailable(path, "no openid in the answer")
    return Person(openid, unionid)


@contextmanager
def _told(path: str, refused: set[int] = frozenset()) -> Iterator[None]:
    """What goes wrong with WeChat as the Problem that it is to the client."""
    try:
        yield
    except calling.NoAnswer as error:
        raise _unavailable(path, error) from None
    except Refused as error:
        if error.errcode in refused:
            raise Problem("wechat_code_invalid") from error
        if refused and error.errcode == TOO_OFTEN:  # else it is not this person who asks too often
            raise Problem("rate_limited", retry_after=60) from error
        raise _unavailable(path, f"{error.errcode} {TO_DO.get(error.errcode, '')}".strip()) from error


def _call(method: str, path: str, by: Deadline, **request) -> dict:
    """The JSON object that WeChat answers with; raises Refused for an error of WeChat's, NoAnswer for anything else."""
    answer = calling.call(method, settings.WECHAT_API_URL + path, by=by, **request)
    try:
        said = json.loads(answer.body) if answer.is_success else None
    except (ValueError, RecursionError):
        said = None
    error = said.get("errcode", 0) if isinstance(said, dict) else None
    if not isinstance(error, int):
        raise calling.NoAnswer(f"HTTP {answer.status}, no JSON object", may_have_arrived=True)
    if error:
        raise Refused(error)
    return said


def _unavailable(path: str, why: object) -> Problem:
    logger.warning("WeChat %s: %s", path, why)
    return Problem("wechat_unavailable", retry_after=5)

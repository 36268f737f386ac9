"""WeChat's server API, as far as members need it: whom a login code stands for, which phone a person showed.

Codes are exchanged before an act, never within one. What WeChat calls session_key is dropped where it arrives. Errors
name the path alone: the URL of a call holds the app's secret.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import urlencode

import httpx
from django.conf import settings
from django.db import connection

from members.models import WechatToken
from sync import clock, secret
from sync.act import in_act
from sync.http import Problem
from sync.models import Channel

logger = logging.getLogger(__name__)

CODE_REFUSED = {40029, 40163, 41008, 40226}  # invalid, used, missing, blocked by WeChat's risk control
TOKEN_REFUSED = {40001, 40014, 42001}
MARGIN = timedelta(minutes=5)  # WeChat honours the old token that long after a new one

client = httpx.Client(timeout=httpx.Timeout(4, connect=2), follow_redirects=False)


class CalledInsideAnAct(Exception):
    """A call to the outside would hold the act's locks while it waits."""


class TokenRefused(Exception):
    """WeChat does not take the access token any more."""


@dataclass(frozen=True, repr=False)
class Person:
    """Who stands behind a code: OpenID in this app, UnionID where WeChat tells it."""

    openid: str
    unionid: str


def mini_program(channel: Channel, code: str) -> Person:
    """The person behind a code of `wx.login`; raises Problem `wechat_code_invalid` or `wechat_unavailable`."""
    asked = {"js_code": code, "grant_type": "authorization_code"}
    return _person(_call("GET", "/sns/jscode2session", params=_credentials(channel) | asked))


def website(channel: Channel, code: str) -> Person:
    """The person who scanned the QR code of the website; raises as `mini_program` does."""
    asked = {"code": code, "grant_type": "authorization_code"}
    return _person(_call("GET", "/sns/oauth2/access_token", params=_credentials(channel) | asked))


def authorize_url(channel: Channel, *, redirect_uri: str, state: str) -> str:
    """Where the browser goes to show WeChat's QR code."""
    query = {"appid": channel.app_id, "redirect_uri": redirect_uri, "response_type": "code"}
    query |= {"scope": "snsapi_login", "state": state}
    return f"{settings.WECHAT_OPEN_URL}/connect/qrconnect?{urlencode(query)}#wechat_redirect"


def phone(channel: Channel, code: str) -> str:
    """The phone, in E.164, behind a code of `getPhoneNumber`; raises as `mini_program` does."""
    path = "/wxa/business/getuserphonenumber"
    found = with_token(channel, lambda token: _call("POST", path, params={"access_token": token}, json={"code": code}))
    try:
        told = found["phone_info"]
        if told["watermark"]["appid"] != channel.app_id:
            raise Problem("wechat_code_invalid")
        return secret.phone(f"+{told['countryCode']}{told['purePhoneNumber']}")
    except (KeyError, TypeError, secret.InvalidPhone) as error:
        raise _unavailable(path, "no phone in the answer") from error


def with_token(channel: Channel, call) -> dict:
    """Run `call(access_token)`; a token that WeChat refuses is fetched anew, once."""
    token = access_token(channel)
    try:
        return call(token)
    except TokenRefused:
        fresh = access_token(channel, instead_of=token)
    try:
        return call(fresh)
    except TokenRefused as error:
        raise _unavailable("access token", "refused twice") from error


def access_token(channel: Channel, *, instead_of: str = "") -> str:
    """The app's access token, kept for all processes; one fetch at a time, and never with force_refresh."""
    if (kept := _kept(channel.app_id)) and kept != instead_of:
        return kept
    with _one_at_a_time(f"wechat-token {channel.app_id}"):
        if (kept := _kept(channel.app_id)) and kept != instead_of:
            return kept
        asked = {"grant_type": "client_credential"} | _credentials(channel)
        return _keep(channel.app_id, _call("POST", "/cgi-bin/stable_token", json=asked))


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
def _one_at_a_time(what: str) -> Iterator[None]:
    """A lock of this database session, held across a call to the outside without a transaction."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(hashtextextended(%s, 0))", [what])
        try:
            yield
        finally:
            cursor.execute("SELECT pg_advisory_unlock(hashtextextended(%s, 0))", [what])


def _credentials(channel: Channel) -> dict[str, str]:
    if not (channel.app_id and channel.app_secret):
        raise _unavailable(channel.code, "the channel has no WeChat app")
    return {"appid": channel.app_id, "secret": channel.app_secret}


def _person(answer: dict) -> Person:
    openid, unionid = answer.get("openid"), answer.get("unionid") or ""
    if not (isinstance(openid, str) and openid and isinstance(unionid, str)):
        raise _unavailable("login", "no openid in the answer")
    return Person(openid, unionid)


def _call(method: str, path: str, **request) -> dict:
    if in_act():
        raise CalledInsideAnAct(path)
    try:
        response = client.request(method, settings.WECHAT_API_URL + path, **request)
        response.raise_for_status()
        answer = response.json()
    except (httpx.HTTPError, ValueError) as error:
        raise _unavailable(path, type(error).__name__) from None  # the error's text holds the URL and its secret
    return _sound(path, answer)


def _sound(path: str, answer) -> dict:
    error = answer.get("errcode", 0) if isinstance(answer, dict) else "no object"
    if error in TOKEN_REFUSED:
        raise TokenRefused(path)
    if error in CODE_REFUSED:
        raise Problem("wechat_code_invalid")
    if error:
        raise _unavailable(path, error)
    return answer


def _unavailable(path: str, why: object) -> Problem:
    logger.warning("WeChat %s: %s", path, why)
    return Problem("wechat_unavailable", retry_after=5)

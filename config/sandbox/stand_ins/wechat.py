"""WeChat's server API and its QR sign-in page, as far as the hub uses them.

Answers are 200 text/plain with JSON in them, errors are `errcode`s, as with the real one. Access tokens are signed
rather than stored, so they outlive a reset.
"""

import hmac
import json
import secrets
import time
from urllib.parse import urlencode, urlsplit

import phonenumbers
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_GET, require_POST

from config.sandbox import faults, people
from config.sandbox.models import App, SubscribeMessage, WechatCode, WechatUser
from sync import secret
from sync.secret import blind_index

TOKEN_TTL = 7200
OK, BUSY = 0, -1
INVALID_CREDENTIAL, INVALID_CODE, USED_CODE = 40001, 40029, 40163
INVALID_APP, INVALID_SECRET, BAD_FORMAT = 40013, 40125, 47001
INVALID_OPENID, INVALID_TEMPLATE, BAD_DATA = 40003, 40037, 47003
MEANINGS = {
    BUSY: "system error",
    INVALID_CREDENTIAL: "invalid credential, access_token is invalid or not latest",
    INVALID_APP: "invalid appid",
    INVALID_SECRET: "invalid appsecret",
    INVALID_CODE: "invalid code",
    USED_CODE: "code been used",
    BAD_FORMAT: "data format error",
    INVALID_OPENID: "invalid openid",
    INVALID_TEMPLATE: "invalid template_id",
    BAD_DATA: "argument invalid",
}
REFUSED = {"used": USED_CODE, "unknown": INVALID_CODE}


class Refusal(Exception):
    """WeChat refuses with an errcode."""

    def __init__(self, errcode: int):
        super().__init__(errcode)
        self.errcode = errcode


def answered(view):
    """WeChat's manner of answering; faults strike here."""

    @csrf_exempt
    def run(request: HttpRequest) -> HttpResponse:
        faults.delay("wechat_timeout")
        try:
            if faults.strikes("wechat_error"):
                raise Refusal(BUSY)
            body = view(request)
        except Refusal as refusal:
            rid = f"rid: {secrets.token_hex(4)}-{secrets.token_hex(4)}-{secrets.token_hex(4)}"
            body = {"errcode": refusal.errcode, "errmsg": f"{MEANINGS[refusal.errcode]}, {rid}"}
        return HttpResponse(json.dumps(body, ensure_ascii=False), content_type="text/plain")

    return run


@require_GET
@answered
def jscode2session(request: HttpRequest) -> dict:
    """Mini-program sign-in: the code of wx.login becomes openid, unionid (when there is one) and session_key."""
    user = _user(request.GET, "js_code", WechatCode.Kind.LOGIN)
    return _identity(user) | {"session_key": secrets.token_urlsafe(16) + "=="}


@require_GET
@answered
def oauth2_access_token(request: HttpRequest) -> dict:
    """Website sign-in: the code that came back with the browser becomes openid and unionid."""
    user = _user(request.GET, "code", WechatCode.Kind.QR)
    tokens = {"access_token": secrets.token_urlsafe(64), "refresh_token": secrets.token_urlsafe(64)}
    return tokens | {"expires_in": TOKEN_TTL, "scope": "snsapi_login"} | _identity(user)


@require_POST
@answered
def stable_token(request: HttpRequest) -> dict:
    """The app's access token for server calls."""
    asked = _json(request)
    if asked.get("grant_type") != "client_credential":
        raise Refusal(BAD_FORMAT)
    app = _app(asked)
    return {"access_token": token_for(app.app_id), "expires_in": TOKEN_TTL}


@require_POST
@answered
def getuserphonenumber(request: HttpRequest) -> dict:
    """The code of getPhoneNumber becomes the phone bound to the user's WeChat."""
    app_id = app_of_token(request.GET.get("access_token", ""))
    if app_id is None:
        raise Refusal(INVALID_CREDENTIAL)
    asked = _json(request)
    user = _once(str(asked.get("code", "")), WechatCode.Kind.PHONE, app_id)
    if asked.get("openid") not in {None, user.openid}:
        raise Refusal(INVALID_OPENID)
    number = phonenumbers.parse(user.person.phone, "CN")
    pure, country = str(number.national_number), str(number.country_code)
    watermark = {"timestamp": int(time.time()), "appid": app_id}
    shown = pure if country == "86" else f"+{country}{pure}"
    info = {"phoneNumber": shown, "purePhoneNumber": pure, "countryCode": country, "watermark": watermark}
    return {"errcode": OK, "errmsg": "ok", "phone_info": info}


@require_POST
@answered
def subscribe_send(request: HttpRequest) -> dict:
    """A subscribe message to one user of the app."""
    app_id = app_of_token(request.GET.get("access_token", ""))
    if app_id is None:
        raise Refusal(INVALID_CREDENTIAL)
    asked = _json(request)
    openid, template_id, data = asked.get("touser"), asked.get("template_id"), asked.get("data")
    index = blind_index("openid", str(openid))
    if not WechatUser.objects.filter(app_id=app_id, openid_index=index).exists():
        raise Refusal(INVALID_OPENID)
    if not isinstance(template_id, str) or not 0 < len(template_id) <= 64:
        raise Refusal(INVALID_TEMPLATE)
    if not _is_filled(data):
        raise Refusal(BAD_DATA)
    page = str(asked.get("page", ""))[:200]
    SubscribeMessage.objects.create(app_id=app_id, openid=openid, template_id=template_id, page=page, data=data)
    return {"errcode": OK, "errmsg": "ok"}


def _is_filled(data) -> bool:
    """Whether every field of a message holds a text: {"thing1": {"value": "…"}}."""
    fields = data.values() if isinstance(data, dict) else ()
    return bool(fields) and all(isinstance(each, dict) and str(each.get("value", "")) for each in fields)


@require_GET
def qrconnect(request: HttpRequest) -> HttpResponse:
    """The page with the QR code: here a list of people, and a click instead of a scan."""
    asked = request.GET
    app = App.objects.filter(app_id=asked.get("appid", "")).first()
    redirect_uri = urlsplit(asked.get("redirect_uri", ""))
    origin = f"{redirect_uri.scheme}://{redirect_uri.netloc}"
    if app is None or origin not in app.origins:
        return render(request, "sandbox/qrconnect.html", {"refused": True}, status=400)
    if openid := asked.get("openid"):
        answer = {"code": people.give_code(openid, WechatCode.Kind.QR), "state": asked.get("state", "")}
        return HttpResponseRedirect(f"{redirect_uri.geturl()}{'&' if redirect_uri.query else '?'}{urlencode(answer)}")
    users = WechatUser.objects.filter(app_id=app.app_id).select_related("person").order_by("-id")[:20]
    return render(request, "sandbox/qrconnect.html", {"users": users, "query": asked.urlencode()})


def token_for(app_id: str) -> str:
    """An access token of an app: its name, when it ends, and a signature."""
    claim = f"{app_id}.{int(time.time()) + TOKEN_TTL}"
    return f"{claim}.{_signature(claim)}"


def app_of_token(token: str) -> str | None:
    """The app an access token was given to; None when it was not, or has ended."""
    claim, _dot, signature = token.rpartition(".")
    if not hmac.compare_digest(signature.encode(), _signature(claim).encode()):
        return None
    app_id, _dot, until = claim.rpartition(".")
    return app_id if int(until) > time.time() else None


def _signature(claim: str) -> str:
    return secret.derived(claim, "sandbox wechat access token")


def _user(asked, name: str, kind: str) -> WechatUser:
    if asked.get("grant_type") != "authorization_code":
        raise Refusal(BAD_FORMAT)
    return _once(asked.get(name, ""), kind, _app(asked).app_id)


def _once(code: str, kind: str, app_id: str) -> WechatUser:
    found = people.use_code(code, kind=kind, app_id=app_id)
    if isinstance(found, str):
        raise Refusal(REFUSED[found])
    return found


def _app(asked) -> App:
    app = App.objects.filter(app_id=asked.get("appid", "")).first()
    if app is None:
        raise Refusal(INVALID_APP)
    if not hmac.compare_digest(str(asked.get("secret", "")).encode(), app.secret.encode()):
        raise Refusal(INVALID_SECRET)
    return app


def _identity(user: WechatUser) -> dict:
    unionid = user.person.unionid
    return {"openid": user.openid} | ({"unionid": unionid} if unionid else {})


def _json(request: HttpRequest) -> dict:
    try:
        body = json.loads(request.body)
    except ValueError as error:
        raise Refusal(BAD_FORMAT) from error
    if not isinstance(body, dict):
        raise Refusal(BAD_FORMAT)
    return body

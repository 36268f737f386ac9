"""What WeChat pushes to a mini-program's message address: proven, kept, answered `success`, and only then worked on.

What the hub knows goes through the inbox; everything else is passed on to the app's channel, signed, and not kept.
"""

import hashlib
import logging
import time
from dataclasses import dataclass
from datetime import UTC, datetime

import orjson
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt

from orders import wechat_sealing
from orders.wechat_sealing import NotGenuine
from sync import alerts, clock, forwarding, inbox
from sync.http import Problem, problem_response
from sync.models import Channel
from sync.secret import keyed_digest

logger = logging.getLogger(__name__)

FORWARDED = "wechat.push"  # the type by which endpoints subscribe to what is passed on
SOUND_TIMES = range(1_000_000_000, 10_000_000_000)
MEASURED = {  # WeChat asks for something: told to the alerts
    "trade_manage_remind_shipping": "wechat.shipping_reminders",
    "trade_manage_remind_access_api": "wechat.access_reminders",
}


@dataclass(frozen=True)
class Push:
    """One message of WeChat's to an app."""

    app_id: str
    told: dict

    @property
    def sender(self) -> str:
        return f"wechat/{self.app_id}"

    @property
    def name(self) -> str:
        """The event, or the kind of message."""
        kind = self.told.get("MsgType")
        found = self.told.get("Event") if kind == "event" else kind
        return found if isinstance(found, str) else ""

    @property
    def body(self) -> bytes:
        """What it tells, in one spelling."""
        return orjson.dumps(self.told, option=orjson.OPT_SORT_KEYS)

    @property
    def id(self) -> str:
        """The same content is the same message: WeChat repeats one under another signature, encrypted anew."""
        return hashlib.sha256(self.body).hexdigest()

    @property
    def subject(self) -> str:
        """What must be applied in order: a payment, or a person, who is not named in clear."""
        about = self.told.get("transaction_id")
        if isinstance(about, str) and about:
            return f"wechat/{about[:64]}"
        return f"wechat/{keyed_digest(str(self.told.get('FromUserName', '')), self.sender).hex()[:32]}"

    @property
    def at(self) -> datetime:
        """When WeChat made it; now, where it does not say."""
        said = str(self.told.get("CreateTime", ""))
        sound = said.isascii() and said.isdigit() and len(said) <= 10 and int(said) in SOUND_TIMES
        return datetime.fromtimestamp(int(said), UTC) if sound else clock.now()


@csrf_exempt
def receive(request: HttpRequest, app_id: str) -> HttpResponse:
    """GET: WeChat's check of the address. POST: a push. An app without a token is no address; what does not prove
    itself is answered 401, and nothing of it is kept but a count."""
    if request.method not in {"GET", "POST"}:
        return problem_response(Problem("method_not_allowed"))
    channel = Channel.objects.filter(app_id=app_id, is_active=True).first()
    if channel is None or not channel.push_token:
        return problem_response(Problem("not_found"))
    if len(request.body) > wechat_sealing.MOST:
        return problem_response(Problem("too_large"))
    try:
        return _echo(request, channel) if request.method == "GET" else _taken(request, channel)
    except NotGenuine as error:
        logger.warning("A push to app %s was refused: %s", channel.code, error)
        alerts.measure("wechat.pushes_refused", 1)
        return problem_response(Problem("signature_invalid"))


def _echo(request: HttpRequest, channel: Channel) -> HttpResponse:
    wechat_sealing.require_signature(request.GET, channel.push_token, now=time.time())
    return _plain(request.GET.get("echostr", "")[:256])


def _taken(request: HttpRequest, channel: Channel) -> HttpResponse:
    known = {"token": channel.push_token, "key": channel.push_key or "", "app_id": channel.app_id}
    push = Push(channel.app_id, wechat_sealing.read(request.GET, request.body, **known, now=time.time()))
    type = f"wechat.{push.name}"
    if type not in settings.INBOX_HANDLERS:
        forwarding.forward(channel, push.sender, push.id, FORWARDED, push.told, push.at)
    elif inbox.store(push.sender, push.id, type, push.subject, push.body):
        if push.name in MEASURED:
            alerts.measure(MEASURED[push.name], 1)
        inbox.apply_at_once(push.sender, [push.subject])
    return _plain("success")


def _plain(text: str) -> HttpResponse:
    return HttpResponse(text, content_type="text/plain; charset=utf-8")

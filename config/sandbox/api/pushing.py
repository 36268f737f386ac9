"""WeChat's side of shipping: what it was told, the money it releases, and whatever else it pushes."""

import json

import httpx
from django.conf import settings
from django.http import HttpRequest
from rest_framework import serializers
from rest_framework.response import Response

from config.sandbox import waiting
from config.sandbox.api.view import SandboxView
from config.sandbox.models import App, ShippingTold, TextNotice
from sync.http import Input, Problem, Text, instant

MOST, PATIENCE = 1_000, 30.0


class PushIn(Input):
    app_id = Text(max_length=64, required=False)
    message = serializers.DictField()


class Uploads(SandboxView):
    """GET the 发货信息 uploads that arrived, newest first, each with WeChat's answer (`errcode`, 0: taken)."""

    def get(self, request: HttpRequest) -> Response:
        arrived = ShippingTold.objects.order_by("-id")[:MOST]
        return Response({"results": [as_upload(each) for each in arrived]})


class TextNotices(SandboxView):
    """GET the news that arrived as text messages, newest first; codes are elsewhere."""

    def get(self, request: HttpRequest) -> Response:
        arrived = TextNotice.objects.order_by("-id")[:MOST]
        return Response({"results": [as_text(each) for each in arrived]})


class Settle(SandboxView):
    """POST: the buyer confirms, WeChat releases the money and pushes that. `{statuses}`."""

    def post(self, request: HttpRequest, transaction_id: str) -> Response:
        return Response(_asked(f"settle/{transaction_id}", {}))


class Push(SandboxView):
    """POST any message to push, by default to the mini-program. `{statuses}`."""

    def post(self, request: HttpRequest) -> Response:
        asked = PushIn.read(request)
        app_id = asked.get("app_id") or App.objects.get(channel="mini-program").app_id
        return Response(_asked("push", {"app_id": app_id, "message": asked["message"]}))


def as_upload(told: ShippingTold) -> dict:
    body = json.loads(told.body)
    return {"received_at": instant(told.received_at), "app_id": told.app_id, "errcode": told.errcode} | body


def as_text(notice: TextNotice) -> dict:
    told = {"phone": notice.phone, "occasion": notice.occasion, "values": notice.values}
    return told | {"sent_at": instant(notice.sent_at)}


def _asked(path: str, body: dict) -> dict:
    """What the stand-in's process made of it: this one answers its pushes."""
    waiting.let_go()
    url = f"http://127.0.0.1:{settings.SANDBOX_PORT}/stand-ins/wechat-pusher/{path}"
    try:
        answer = httpx.post(url, json=body, timeout=PATIENCE, trust_env=False)
    except httpx.HTTPError as error:
        raise Problem("unavailable", retry_after=1) from error
    if answer.status_code == 404:
        raise Problem("not_found")
    return answer.raise_for_status().json()

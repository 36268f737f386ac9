"""Parcels on their way, from the courier's side."""

from urllib.parse import quote

import httpx
from django.conf import settings
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from rest_framework import serializers
from rest_framework.response import Response

from config.sandbox import waiting
from config.sandbox.api.paying import PATIENCE, WAITING
from config.sandbox.api.view import SandboxView
from config.sandbox.stand_ins.courier import number_of
from sync.http import Input, Problem, Text
from sync.ids import request_id


class State(serializers.Field):
    """快递100's number of a state, or the hub's word for it."""

    default_error_messages = {"invalid": _("Send a number of 快递100's or a state such as in_transit")}

    def to_internal_value(self, data):
        known = None if isinstance(data, bool) else number_of(data)
        return known or self.fail("invalid")


class PushIn(Input):
    state = State()
    text = Text(max_length=500)
    place = Text(max_length=80, allow_blank=True, default="")


class Push(SandboxView):
    """POST: the parcel moves on; 快递100 pushes the full list to all who follow it. `{delivered, statuses}`."""

    def post(self, request: HttpRequest, number: str) -> Response:
        asked = PushIn.read(request)
        if not WAITING.acquire(blocking=False):
            raise Problem("unavailable", retry_after=1)
        try:
            return Response(_pushed(number, asked))
        finally:
            WAITING.release()


def _pushed(number: str, asked: dict) -> dict:
    """What the stand-in's process made of it."""
    waiting.let_go()
    url = f"http://127.0.0.1:{settings.SANDBOX_PORT}/stand-ins/kuaidi100/parcels/{quote(number, safe='')}/push"
    try:
        headers = {"X-Request-ID": request_id.get()}
        answer = httpx.post(url, json=asked, headers=headers, timeout=PATIENCE, trust_env=False)
    except httpx.HTTPError as error:
        raise Problem("unavailable", retry_after=1) from error
    return answer.raise_for_status().json()

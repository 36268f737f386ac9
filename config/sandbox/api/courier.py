"""Parcels on their way, from the courier's side."""

from urllib.parse import quote

from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from rest_framework import serializers
from rest_framework.response import Response

from config.sandbox.api import outcome
from config.sandbox.api.view import SandboxView
from config.sandbox.stand_ins.courier import number_of
from sync.http import Input, Text


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
        return Response(outcome.of(f"kuaidi100/parcels/{quote(number, safe='')}/push", asked))

"""Fake backends, fault switches, what WeChat was told, credentials, reset."""

from django.http import HttpRequest
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext_lazy as _
from rest_framework import serializers
from rest_framework.response import Response

from config.sandbox import faults, seed
from config.sandbox.api.view import SandboxView
from config.sandbox.models import Backend, Received, SubscribeMessage
from config.sandbox.seed.credentials import credentials
from sync.http import Choice, Input, Problem, instant

MOST_RECEIVED = 1_000


class ModeIn(Input):
    mode = Choice(choices=Backend.Mode.values)


class Amount(serializers.FloatField):
    """A JSON number, nothing that merely looks like one."""

    def to_internal_value(self, data):
        if isinstance(data, bool) or not isinstance(data, int | float):
            self.fail("invalid")
        return super().to_internal_value(data)


class FaultsIn(Input):
    """Any of the switches."""

    def get_fields(self):
        return {
            name: Amount(min_value=0, max_value=faults.MOST[kind], required=False)
            for name, kind in faults.KNOWN.items()
        }


class ReceivedByBackend(SandboxView):
    """GET what a channel's fake backend received, newest first."""

    def get(self, request: HttpRequest, code: str) -> Response:
        backend = get_object_or_404(Backend, code=code)
        return Response({"results": [as_received(each) for each in backend.received.order_by("-id")[:MOST_RECEIVED]]})


class BackendMode(SandboxView):
    """PUT how a channel's fake backend behaves."""

    def put(self, request: HttpRequest, code: str) -> Response:
        asked, backend = ModeIn.read(request), get_object_or_404(Backend, code=code)
        Backend.objects.filter(pk=backend.pk).update(**asked)
        return Response(asked)


class Faults(SandboxView):
    """GET, PUT or DELETE the fault switches."""

    def get(self, request: HttpRequest) -> Response:
        return Response(faults.all_values())

    def put(self, request: HttpRequest) -> Response:
        asked = FaultsIn.read(request)
        if unknown := sorted(request.data.keys() - faults.KNOWN.keys()):
            raise Problem("invalid", errors=[(name, "unknown", _("There is no such switch")) for name in unknown])
        faults.put(asked)
        return Response(faults.all_values())

    def delete(self, request: HttpRequest) -> Response:
        faults.clear()
        return Response(status=204)


class Notices(SandboxView):
    """GET the subscribe messages that arrived, newest first."""

    def get(self, request: HttpRequest) -> Response:
        arrived = SubscribeMessage.objects.order_by("-id")[:MOST_RECEIVED]
        return Response({"results": [as_notice(each) for each in arrived]})


class Credentials(SandboxView):
    """GET the keys and secrets of every seeded channel, and the passwords of staff."""

    def get(self, request: HttpRequest) -> Response:
        return Response(credentials())


class Reset(SandboxView):
    """POST: back to the seed, while every process goes on."""

    def post(self, request: HttpRequest) -> Response:
        try:
            seed.reset()
        except seed.NotSandbox as error:
            raise Problem("forbidden", error) from error
        except seed.Busy as error:
            raise Problem("unavailable", error, retry_after=2) from error
        return Response(status=204)


def as_received(received: Received) -> dict:
    return {
        "received_at": instant(received.received_at),
        "headers": received.headers,
        "body": received.body,
        "verified": received.verified,
    }


def as_notice(message: SubscribeMessage) -> dict:
    return {
        "received_at": instant(message.received_at),
        "app_id": message.app_id,
        "openid": message.openid,
        "template_id": message.template_id,
        "page": message.page,
        "data": message.data,
    }

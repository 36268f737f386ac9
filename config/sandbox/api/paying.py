"""WeChat Pay from the payer's side."""

from threading import BoundedSemaphore
from uuid import UUID

import httpx
from django.conf import settings
from django.http import HttpRequest
from rest_framework.response import Response

from config.programs import WAITING_THREADS
from config.sandbox import waiting
from config.sandbox.api.view import SandboxView
from config.sandbox.seed import credentials
from config.sandbox.stand_ins import platform
from orders.models import Refund
from sync.http import Fen, Input, Problem, Whole
from sync.ids import request_id

PATIENCE = 60.0  # seconds
WAITING = BoundedSemaphore(WAITING_THREADS)  # beyond it no thread would be left to take the notifications


class SucceedIn(Input):
    amount_fen = Fen(min_value=1, required=False)
    times = Whole(min_value=1, max_value=200, default=1)


class Succeed(SandboxView):
    """POST: the payer pays; WeChat Pay notifies the hub `times` times at once. `{delivered, statuses}`."""

    def post(self, request: HttpRequest, payment: UUID) -> Response:
        return Response(_told(f"{payment.hex}/succeed", SucceedIn.read(request)))


class EndIn(Input):
    times = Whole(min_value=1, max_value=200, default=1)


class EndRefund(SandboxView):
    """POST: a refund, by its id or number, ends like this; WeChat Pay notifies the hub. `{delivered, statuses}`."""

    word = ""

    def post(self, request: HttpRequest, refund: str) -> Response:
        found = Refund.objects.filter(number=refund).values_list("pk", flat=True).first() or _as_id(refund)
        if found is None:
            raise Problem("not_found")
        return Response(_told(f"refunds/{found.hex}/{self.word}", EndIn.read(request)))


class RotateCertificate(SandboxView):
    """POST: WeChat Pay signs with a new certificate from now on; the old one stays good. `{serial}`."""

    def post(self, request: HttpRequest) -> Response:
        return Response({"serial": platform.rotate(credentials.MCHID)})


def _as_id(text: str) -> UUID | None:
    """The id that a text is; None for anything else."""
    try:
        return UUID(text)
    except ValueError:
        return None


def _told(path: str, asked: dict) -> dict:
    """What the stand-in's process made of it; it notifies this one, so threads are kept for that."""
    if not WAITING.acquire(blocking=False):
        raise Problem("unavailable", retry_after=1)
    try:
        return _made_of(path, asked)
    finally:
        WAITING.release()


def _made_of(path: str, asked: dict) -> dict:
    waiting.let_go()
    url = f"http://127.0.0.1:{settings.SANDBOX_PORT}/stand-ins/wechat-pay/payer/{path}"
    try:
        headers = {"X-Request-ID": request_id.get()}
        answer = httpx.post(url, json=asked, headers=headers, timeout=PATIENCE, trust_env=False)
    except httpx.HTTPError as error:
        raise Problem("unavailable", retry_after=1) from error
    if answer.status_code == 404:
        raise Problem("not_found")
    return answer.raise_for_status().json()

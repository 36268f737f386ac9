"""The fake backends of channels: verify what the hub pushes, keep it, and behave by their mode."""

from threading import BoundedSemaphore

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from config.sandbox import waiting
from config.sandbox.models import Backend, Received

SLOW = 20.0  # seconds: longer than the hub's patience, which is 15
SLEEPERS = BoundedSemaphore(4)  # a slow backend must not keep the other stand-ins from answering
STATUS = {Backend.Mode.OK: 204, Backend.Mode.FAIL: 500, Backend.Mode.SLOW: 204, Backend.Mode.GONE: 410}


@csrf_exempt
@require_POST
def receive(request: HttpRequest, code: str) -> HttpResponse:
    """Take a webhook. What does not verify is kept as such and refused with 401, unless nothing is ever signed."""
    backend = get_object_or_404(Backend, code=code)
    verified = bool(backend.secret) and verifies(backend, request)
    Received.objects.create(backend=backend, headers=_headers(request), body=_text(request.body), verified=verified)
    if backend.mode == Backend.Mode.DROP:
        return _broken_off()
    if backend.mode == Backend.Mode.SLOW and not _dawdle():
        return HttpResponse(status=503)
    if backend.mode in {Backend.Mode.OK, Backend.Mode.SLOW} and backend.secret and not verified:
        return HttpResponse(status=401)
    return HttpResponse(status=STATUS[backend.mode])


def verifies(backend: Backend, request: HttpRequest) -> bool:
    """Whether the Standard Webhooks signature is right and not older than five minutes."""
    try:
        Webhook(backend.secret).verify(request.body, _headers(request), json_parse=False)
    except (WebhookVerificationError, ValueError):
        return False
    return True


def _dawdle() -> bool:
    """Sleep longer than the hub waits; False when too many sleep already."""
    if not SLEEPERS.acquire(blocking=False):
        return False
    try:
        waiting.pause(SLOW)
    finally:
        SLEEPERS.release()
    return True


def _broken_off() -> HttpResponse:
    """An answer with two lengths that contradict each other: the server cannot send it and closes the connection."""
    return HttpResponse(b"-", headers={"Transfer-Encoding": "chunked", "Content-Length": "9"})


def _headers(request: HttpRequest) -> dict[str, str]:
    return {name.lower(): value for name, value in request.headers.items()}


def _text(body: bytes) -> str:
    return body.decode(errors="replace").replace("\0", "�")

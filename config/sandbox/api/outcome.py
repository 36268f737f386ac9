"""What the stand-ins' process makes of something told to it, which may make it call this process meanwhile."""

from threading import BoundedSemaphore

import httpx
from django.conf import settings

from config.programs import WAITING_THREADS
from config.sandbox import waiting
from sync.http import Problem
from sync.ids import request_id

PATIENCE = 60.0  # seconds
WAITING = BoundedSemaphore(WAITING_THREADS)  # beyond it no thread would be left to take the notifications


def of(path: str, asked: dict) -> dict:
    """POST it to a stand-in and give its answer. Raises Problem `not_found`, `unavailable`; beyond 24 at once too."""
    if not WAITING.acquire(blocking=False):
        raise Problem("unavailable", retry_after=1)
    try:
        return _answer(path, asked)
    finally:
        WAITING.release()


def _answer(path: str, asked: dict) -> dict:
    waiting.let_go()
    url = f"http://127.0.0.1:{settings.SANDBOX_PORT}/stand-ins/{path}"
    try:
        headers = {"X-Request-ID": request_id.get()}
        answer = httpx.post(url, json=asked, headers=headers, timeout=PATIENCE, trust_env=False)
    except httpx.HTTPError as error:
        raise Problem("unavailable", retry_after=1) from error
    if answer.status_code == 404:
        raise Problem("not_found")
    return answer.raise_for_status().json()

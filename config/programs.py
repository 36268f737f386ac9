"""The processes of a hub, as `up` starts them."""

import os
import signal
import sys
from pathlib import Path

from django.conf import settings

from config.children import Program

PYTHON = sys.executable
WEB_THREADS = 8  # as many as a process' pool has connections
LARGEST_MESSAGE = 2 * 2**20  # bytes that the live server takes in before the hub, which hears 4 kB, can say no
WAITING_THREADS = 24  # in the sandbox: those that wait for stand-ins, which hold no connection meanwhile


def programs() -> list[Program]:
    """Web, live, relay, courier, worker, beat, and with the sandbox its stand-ins; as the settings say."""
    found = [
        _program("web", *_granian("config.wsgi:application", settings.PORT)),
        _program("live", *_uvicorn("config.asgi:application", settings.LIVE_PORT)),
        _program("relay", "manage.py", "relay"),
        _program("courier", "manage.py", "courier"),
        _program("worker", *_celery("worker", "--pool", "threads", "--concurrency", "4", "--without-gossip")),
        _program("beat", *_celery("beat", "--pidfile", "")),
    ]
    if settings.SANDBOX:
        found.append(_program("sandbox", *_granian("config.sandbox.wsgi:application", settings.SANDBOX_PORT)))
    return found


def _program(name: str, *words: str) -> Program:
    environment = {"PYTHONUNBUFFERED": "1", "PYTHONWARNINGS": "ignore::UserWarning:celery.platforms"}  # as root
    return Program(name, [PYTHON, *words], signal.SIGTERM, environment, cwd=Path(settings.BASE_DIR))


def _granian(application: str, port: int) -> list[str]:
    switches = {"--interface": "wsgi", "--host": settings.HOST, "--port": str(port), "--log-level": "error"}
    threads = WEB_THREADS + WAITING_THREADS * settings.SANDBOX
    switches |= {"--blocking-threads": str(threads), "--workers-kill-timeout": "3"}
    return ["-m", "granian", *_words(switches), "--respawn-failed-workers", "--no-access-log", application]


def _uvicorn(application: str, port: int) -> list[str]:
    switches = {"--host": settings.HOST, "--port": str(port), "--log-level": "warning", "--lifespan": "off"}
    switches |= {"--ws": "websockets-sansio", "--ws-per-message-deflate": "false"}
    switches |= {"--ws-max-size": str(LARGEST_MESSAGE)}
    return [
        "-m",
        "uvicorn",
        *_words(switches),
        "--no-access-log",
        "--timeout-graceful-shutdown",
        "2",
        application,
    ]


def _celery(*words: str) -> list[str]:
    return ["-m", "celery", "-q", "-A", "config", *words, "--loglevel", os.environ.get("LOG_LEVEL", "WARNING")]


def _words(switches: dict[str, str]) -> list[str]:
    return [word for pair in switches.items() for word in pair]

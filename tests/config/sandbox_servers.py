"""The hub's web process and the stand-ins' process, served by threads of the test."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import pytest
from django.core.wsgi import get_wsgi_application
from django.db import connection, connections

from config.sandbox import wsgi
from tests.serving import serving


class Server(ThreadingMixIn, WSGIServer):
    """A thread for each request; all of them end with the server."""

    daemon_threads, block_on_close, request_queue_size = False, True, 64


class Quiet(WSGIRequestHandler):
    """Logs nothing."""

    def log_message(self, format, *args):
        pass


@contextmanager
def served(application) -> Iterator[int]:
    """The port on which the application answers."""
    server = make_server("127.0.0.1", 0, application, Server, Quiet)
    with serving(server):
        yield server.server_port


@contextmanager
def sharing_the_connection(application) -> Iterator:
    """The application on the test's own connection, and so in its transaction: for one request after the other."""
    mine = connections["default"]

    def run(environ, start_response):
        connections["default"] = mine
        return application(environ, start_response)

    connection.inc_thread_sharing()
    mine.close_if_unusable_or_obsolete = lambda: None  # what Django does around each request
    try:
        yield run
    finally:
        del mine.close_if_unusable_or_obsolete
        connection.dec_thread_sharing()


def point_at(settings, *, sandbox: int) -> None:
    """Let the hub talk with stand-ins at this port."""
    stand_ins = f"http://127.0.0.1:{sandbox}/stand-ins"
    settings.SANDBOX_PORT = sandbox
    settings.WECHAT_API_URL, settings.WECHAT_OPEN_URL = f"{stand_ins}/wechat", f"{stand_ins}/wechat-open"
    settings.WECHAT_PAY_URL, settings.SMS_SANDBOX_URL = f"{stand_ins}/wechat-pay", f"{stand_ins}/sms"
    settings.SMS_SENDER = "sandbox"


@pytest.fixture
def stand_ins(db, settings) -> Iterator[None]:
    """The stand-ins answer over HTTP, within the test's transaction."""
    with sharing_the_connection(wsgi.application) as application, served(application) as port:
        point_at(settings, sandbox=port)
        yield


@pytest.fixture
def both_processes(transactional_db, settings) -> Iterator[str]:
    """The hub's URL, its stand-ins beside it, each request on a connection of its own."""
    with ExitStack() as stack:
        hub = stack.enter_context(served(get_wsgi_application()))
        point_at(settings, sandbox=stack.enter_context(served(wsgi.application)))
        settings.PORT, settings.PUBLIC_URL = hub, f"http://127.0.0.1:{hub}"
        yield settings.PUBLIC_URL

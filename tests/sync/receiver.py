"""A channel's backend on loopback: keeps what it is sent, verifies it with the official library, answers as told."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import orjson
from standardwebhooks import Webhook

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


@dataclass
class Answer:
    """How the backend answers: after `wait` seconds or when it is `told` to, with `status`; `body` may be endless."""

    status: int = 200
    headers: dict = field(default_factory=dict)
    body: Iterator[bytes] = ()
    wait: float = 0.0
    told: threading.Event | None = None


class Receiver(ThreadingHTTPServer):
    """`received` are events in order, with `headers`, `bodies` and `at_once`: how many were under way as each came.

    `answer(number)` says how the n-th is answered.
    """

    daemon_threads = True
    request_queue_size = 256

    def __init__(self, answer: Callable[[int], Answer]):
        self.received, self.headers, self.bodies, self.at_once, self.open = [], [], [], [], 0
        self.answer, self.lock = answer, threading.Lock()
        super().__init__(("127.0.0.1", 0), _Taking)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/hook"

    def take(self, headers: dict, body: bytes) -> Answer:
        event = Webhook(SECRET).verify(body, headers)
        with self.lock:
            self.received.append(event)
            self.headers.append(headers)
            self.bodies.append(body)
            self.open += 1
            self.at_once.append(self.open)
            answer = self.answer(len(self.received))
        time.sleep(answer.wait)
        if answer.told:
            answer.told.wait(60)
        with self.lock:
            self.open -= 1
        return answer

    @property
    def most_at_once(self) -> int:
        return max(self.at_once, default=0)

    @property
    def types(self) -> list[str]:
        return [event["type"] for event in self.received]


class _Taking(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        assert orjson.loads(body)
        answer = self.server.take(dict(self.headers), body)
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if not answer.body:
            self.send_header("Content-Length", "0")
        self.end_headers()
        for part in answer.body:
            self.wfile.write(part)
        self.close_connection = bool(answer.body)

    def log_message(self, *_args):
        pass


@contextmanager
def receiving(*answers: Answer | int, then: Answer | int = 200):
    """A backend that gives these answers, one after the other, and then always the last one."""
    given = [each if isinstance(each, Answer) else Answer(each) for each in [*answers, then]]
    server = Receiver(lambda number: given[min(number, len(given)) - 1])
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()

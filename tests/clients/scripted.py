"""A hub that answers what a test says, for what a real one does only now and then."""

import json
import threading
from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

from websockets.exceptions import ConnectionClosed
from websockets.sync.server import serve

TOKENS = {"token_type": "Bearer", "expires_in": 7200, "refresh_expires_in": 2592000}
GONE = object()  # an answer that does not come: the line is cut


@dataclass
class Asked:
    """A request as it arrived."""

    method: str
    path: str
    query: dict
    headers: dict
    body: bytes
    arrived: float = 0

    @property
    def json(self):
        return json.loads(self.body) if self.body else None

    @property
    def token(self) -> str:
        return self.headers.get("authorization", "").removeprefix("Bearer ")


@dataclass
class Answer:
    """What is answered; `headers` beside the usual ones."""

    status: int = 200
    body: object = None
    headers: dict = field(default_factory=dict)


def problem(status: int, code: str, retry_after: int | None = None, **more) -> Answer:
    """A problem of the contract."""
    body = {"type": f"/problems/{code}", "title": code, "status": status, "detail": f"about {code}", "code": code}
    headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
    return Answer(status, body | {"errors": [], "request_id": "r-1"} | more, headers)


def tokens(generation: int) -> dict:
    return {"access_token": f"access-{generation}", "refresh_token": f"refresh-{generation}"} | TOKENS


def session(member: str = "m-1", *, head: int = 0, generation: int = 1) -> Answer:
    """The answer to a sign-in."""
    more = {"created": False, "linked": False, "absorbed_member_id": None, "link_case": None, "assurance": 3}
    return Answer(200, {"tokens": tokens(generation), "member": {"id": member}, "head": head} | more)


def event(sequence: int, type: str = "order.placed") -> dict:
    return {"specversion": "1.0", "id": f"e-{sequence}", "type": type, "sequence": str(sequence), "data": {}}


class ScriptedHub:
    """`answers[path]` is a list used up one by one, the last for ever, or a function of the request."""

    def __init__(self):
        self.asked: list[Asked] = []
        self.answers: dict = {"auth/phone": [session()], "ws-tickets": self.ticket}
        self.lock = threading.Lock()
        self.http = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.http.daemon_threads = True
        self.live = serve(self._line, "127.0.0.1", 0)
        self.lines: list[ScriptedLine] = []
        self.opened = threading.Condition()
        serving = (lambda: self.http.serve_forever(poll_interval=0.02), self.live.serve_forever)
        self.threads = [threading.Thread(target=each, daemon=True) for each in serving]
        for thread in self.threads:
            thread.start()

    def close(self) -> None:
        """Stop listening."""
        for line in self.lines:
            line.close(1001)
        self.http.shutdown()
        self.http.server_close()
        self.live.shutdown()
        for thread in self.threads:
            thread.join(10)

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.http.server_address[1]}/api/v1"

    def to(self, path: str) -> list[Asked]:
        """What was asked of a path."""
        with self.lock:
            return [asked for asked in self.asked if asked.path == path]

    def ticket(self, _asked: Asked) -> Answer:
        url = f"ws://127.0.0.1:{self.live.socket.getsockname()[1]}/ws/v1/me?ticket=t"
        return Answer(201, {"ticket": "t", "expires_in": 30, "url": url})

    def answer(self, asked: Asked) -> Answer:
        with self.lock:
            self.asked.append(asked)
            script = self.answers.get(asked.path, problem(404, "not_found"))
            if isinstance(script, list):
                return script.pop(0) if len(script) > 1 else script[0]
        return script(asked) if callable(script) else script

    def line(self, number: int, timeout: float = 20) -> "ScriptedLine":
        """The socket that was opened as the nth, from 1."""
        with self.opened:
            assert self.opened.wait_for(lambda: len(self.lines) >= number, timeout), f"{len(self.lines)} sockets came"
        return self.lines[number - 1]

    def _line(self, connection) -> None:
        line = ScriptedLine(connection)
        with self.opened:
            self.lines.append(line)
            self.opened.notify_all()
        line.listen()

    def _handler(self):
        hub = self

        class Requests(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self):
                url = urlsplit(self.path)
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                headers = {name.lower(): value for name, value in self.headers.items()}
                path = url.path.removeprefix("/api/v1/")
                answer = hub.answer(Asked(self.command, path, dict(parse_qsl(url.query)), headers, body))
                if answer is GONE:
                    self.close_connection = True
                    return
                text = b"" if answer.body is None else json.dumps(answer.body).encode()
                kind = "application/problem+json" if answer.status >= 400 else "application/json"
                self.send_response(answer.status)
                for name, value in {"Content-Type": kind, "Content-Length": str(len(text)), **answer.headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                with suppress(ConnectionError):
                    self.wfile.write(text)

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = answer

            def log_message(self, *_args):
                """Says nothing."""

        return Requests


class ScriptedLine:
    """One socket of the scripted hub."""

    def __init__(self, connection):
        self.connection, self.after = connection, None
        self.query = dict(parse_qsl(urlsplit(connection.request.path).query))
        self.heard: dict[str, list] = defaultdict(list)
        self.news = threading.Condition()
        self.is_over = False

    def listen(self) -> None:
        with suppress(ConnectionClosed):
            for text in self.connection:
                frame = json.loads(text)
                with self.news:
                    self.heard[frame["kind"]].append(frame)
                    self.news.notify_all()
        with self.news:
            self.is_over = True
            self.news.notify_all()

    def tell(self, kind: str, **fields) -> None:
        self.connection.send(json.dumps({"kind": kind, **fields}))

    def hello(self, head: int, member: str = "m-1") -> "ScriptedLine":
        self.tell("hello", member_id=member, head=head)
        return self

    def events(self, *sequences: int) -> None:
        for sequence in sequences:
            self.tell("event", event=event(sequence))

    def await_heard(self, kind: str, holds=bool, timeout: float = 20) -> list:
        """The frames of a kind, as soon as `holds` of them."""
        with self.news:
            assert self.news.wait_for(lambda: holds(self.heard[kind]), timeout), f"heard {dict(self.heard)}"
        return self.heard[kind]

    def await_over(self, timeout: float = 20) -> None:
        with self.news:
            assert self.news.wait_for(lambda: self.is_over, timeout), "the line is still open"

    def close(self, code: int) -> None:
        self.connection.close(code)

"""The outside world on loopback: WeChat as its documentation describes it, and an SMS gateway."""

import json
import secrets
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Lock, Thread
from urllib.parse import parse_qs, urlsplit

FORGOTTEN = {"errcode": 40001, "errmsg": "invalid credential"}


def owned(openid: str | None) -> dict:
    return {"owner": openid} if openid else {}


@dataclass
class Asked:
    """A call as it arrived; names of headers are lower-case."""

    url: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Outside:
    """What the stand-ins know and what they were told. Set `answer` to make the next calls of a path go wrong."""

    messages: list[dict] = field(default_factory=list)
    codes: dict[str, dict] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)
    answers: dict[str, list[tuple[int, object]]] = field(default_factory=dict)
    requests: list[Asked] = field(default_factory=list)
    lock: Lock = field(default_factory=Lock)
    answering: Event = field(default_factory=Event)

    @contextmanager
    def hanging(self) -> Iterator[None]:
        """Meanwhile every call is taken, and answered only when this is over."""
        self.answering.clear()
        try:
            yield
        finally:
            self.answering.set()

    def code(self, **behind) -> str:
        """A code that works once; `behind` is what WeChat answers for it."""
        made = secrets.token_hex(8)
        self.codes[made] = behind
        return made

    def phone_code(self, phone: str, app_id: str = "wx-mini-program", openid: str | None = None) -> str:
        """A code of getPhoneNumber for a phone in E.164; with `openid` it is that person's alone."""
        told = {"purePhoneNumber": phone.removeprefix("+86"), "countryCode": "86", "phoneNumber": phone}
        return self.code(phone_info=told | {"watermark": {"appid": app_id, "timestamp": 1}}, **owned(openid))

    def sms_code(self, challenge_id: str) -> str:
        """The code that was sent for a challenge."""
        return next(message["code"] for message in self.messages if message["challenge_id"] == challenge_id)

    def reply(self, path: str, query: dict, body: dict) -> tuple[int, object]:
        """What the world says to a call."""
        with self.lock:
            self.calls.append(path)
            if waiting := self.answers.get(path):
                return waiting.pop(0)
            if path == "/sms/messages":
                self.messages.append(body)
                return 200, {}
            return 200, self.wechat(path, query, body)

    def wechat(self, path: str, query: dict, body: dict) -> dict:
        if path == "/cgi-bin/stable_token":
            assert not body.get("force_refresh"), "force_refresh would throw every other process out"
            self.tokens.append(f"wechat-access-{secrets.token_hex(16)}")
            return {"access_token": self.tokens[-1], "expires_in": 7200}
        if path == "/wxa/business/getuserphonenumber" and query.get("access_token") not in self.tokens[-1:]:
            return FORGOTTEN
        if path == "/cgi-bin/message/subscribe/send":
            return {"errcode": 0, "errmsg": "ok"} if query.get("access_token") in self.tokens[-1:] else FORGOTTEN
        behind = self.codes.pop(query.get("js_code") or query.get("code") or body.get("code"), None)
        if behind and body.get("openid") and behind.pop("owner", body["openid"]) != body["openid"]:
            return {"errcode": 40003, "errmsg": "invalid openid"}
        return {"errcode": 40029, "errmsg": "invalid code"} if behind is None else {"errcode": 0} | behind


class Answering(BaseHTTPRequestHandler):
    """Speaks HTTP for an Outside."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.respond(b"")

    def do_POST(self):
        self.respond(self.rfile.read(int(self.headers["Content-Length"])))

    def respond(self, raw: bytes):
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.outside.requests.append(Asked(self.path, headers, raw))
        self.server.outside.answering.wait()
        body = json.loads(raw) if raw[:1] == b"{" else {}
        url = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        status, answer = self.server.outside.reply(url.path, query, body)
        raw = answer.encode() if isinstance(answer, str) else json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/plain")  # as WeChat does
        self.send_header("Content-Length", str(len(raw)))
        self.send_header("Connection", "close")
        self.end_headers()
        with suppress(ConnectionError):  # whoever asked may have gone
            self.wfile.write(raw)

    def log_message(self, *args):
        """Silent: the address of a call holds secrets."""


class Server(ThreadingHTTPServer):
    """On a free port of 127.0.0.1, from entering to leaving."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Answering)
        self.outside = Outside()
        self.outside.answering.set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def __enter__(self):
        self.thread = Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02})
        self.thread.start()
        return self

    def __exit__(self, *error):
        self.shutdown()
        self.server_close()
        self.thread.join()


@contextmanager
def dripping() -> Iterator[str]:
    """The URL of a server that takes a call and answers a letter at a time, without end."""

    def drip(listening: socket.socket, over: Event):
        with suppress(OSError):
            caller, _address = listening.accept()
            with caller:
                caller.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
                while not over.wait(0.05):
                    caller.sendall(b" ")

    over = Event()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = Thread(target=drip, args=(listening, over))
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        over.set()
        thread.join()

"""快递100 outside: a server that takes subscriptions and questions, and forms as it pushes them."""

import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlencode

from django.test import Client

from orders.shipping import following, kuaidi100

FORM = "application/x-www-form-urlencoded"
CODES = {"200": "提交成功", "501": "重复订阅", "700": "订阅方的订阅数据存在错误", "500": "服务器错误"}


class Courier:
    """What it was asked, and how it answers: a subscription with `code`, a question with `last`."""

    def __init__(self):
        self.subscribed: list[dict] = []
        self.asked: list[dict] = []
        self.code, self.last, self.status = "200", None, 200

    def answer(self, path: str, form: dict[str, str]) -> dict:
        """As the real one."""
        param = json.loads(form["param"])
        if path == "/poll":
            assert form["schema"] == "json"
            self.subscribed.append(param)
            return {"result": self.code == "200", "returnCode": self.code, "message": CODES[self.code]}
        assert (path, form["sign"]) == ("/poll/query.do", kuaidi100.signed(form["param"], "keycustomer"))
        self.asked.append(param)
        return self.last or {"result": False, "returnCode": "500", "message": "查询无结果，请隔段时间再查"}


class Listener(BaseHTTPRequestHandler):
    """One request."""

    def do_POST(self):
        courier: Courier = self.server.courier
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        content = json.dumps(courier.answer(self.path, {name: each[0] for name, each in parse_qs(body).items()}))
        self.send_response(courier.status)
        self.end_headers()
        self.wfile.write(content.encode())

    def log_message(self, *arguments):
        """Quiet."""


@contextmanager
def listening(settings):
    """A courier that the hub talks with."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Listener)
    server.daemon_threads, server.courier = True, Courier()
    settings.KUAIDI100_URL = f"http://127.0.0.1:{server.server_address[1]}"
    settings.KUAIDI100_KEY, settings.KUAIDI100_CUSTOMER = "key", "customer"
    thread = threading.Thread(target=server.serve_forever, args=[0.01], daemon=True)
    thread.start()
    try:
        yield server.courier
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def entry(time: str, status: str = "在途", **fields) -> dict:
    """One line of a list, at a time of a day in Shanghai."""
    at = f"2026-11-21 {time}:00"
    known = {"time": at, "ftime": at, "context": f"【杭州市】快件{status}", "status": status, "areaName": "浙江,杭州市"}
    return known | fields


def param(parcel, *entries: dict, state: str = "0", **fields) -> dict:
    """A push about a parcel with this list, newest first."""
    last = {"message": "ok", "state": state, "ischeck": "0", "com": parcel.carried_by_id, "nu": parcel.tracking_number}
    last["data"] = list(entries)
    return {
        "status": "polling",
        "message": "",
        "autoCheck": "0",
        "comOld": "",
        "comNew": "",
        "lastResult": last,
    } | fields


def push(parcel, told: dict | str, *, token: str | None = None, sign: str | None = None):
    """Push it to the parcel's callback; the answer."""
    text = told if isinstance(told, str) else json.dumps(told, ensure_ascii=False)
    token = token or following.token_of(parcel)
    sign = sign if sign is not None else kuaidi100.signed(text, following.salt_of(token))
    client = Client(raise_request_exception=False)
    return client.post(f"/callbacks/kuaidi100/{token}", urlencode({"sign": sign, "param": text}), content_type=FORM)

"""Foreign clients of a running hub: they know the public contract and nothing else."""

import json
import queue
import socket
import threading
from contextlib import ExitStack, suppress
from datetime import UTC, datetime

import httpx
from standardwebhooks import Webhook
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from tests import contract

TIMEOUT = 20
OPEN = ExitStack()  # every line of a module's journeys; its fixture hangs up


def held(answer: httpx.Response) -> httpx.Response:
    """The answer, which is as the contract says."""
    asked = answer.request
    method = asked.headers.get("X-HTTP-Method-Override") or asked.method
    contract.hold(answer, method, asked.url.path)
    return answer


class Client:
    """A channel's client: before sign-in it names its channel, afterwards it holds tokens."""

    def __init__(self, base: str, channel: str):
        self.channel, self.tokens, self.head = channel, None, None
        self.http = OPEN.enter_context(httpx.Client(base_url=base, timeout=TIMEOUT, trust_env=False))

    def call(self, method: str, path: str, status: int | None = None, **kwargs) -> httpx.Response:
        headers = kwargs.pop("headers", {})
        if self.tokens:
            headers["Authorization"] = f"Bearer {self.tokens['access_token']}"
        else:
            headers["X-Channel"] = self.channel
        answer = held(self.http.request(method, f"/api/v1/{path}", headers=headers, **kwargs))
        if status is not None:
            assert answer.status_code == status, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer

    def signed_in(self, answer: httpx.Response) -> dict:
        """Keep the tokens of a *session* answer; its body."""
        assert answer.status_code == 200, answer.text
        self.tokens, self.head = answer.json()["tokens"], answer.json()["head"]
        return answer.json()

    def consents(self) -> list[dict]:
        policies = self.call("GET", "policies", 200).json()["results"]
        return [{"purpose": p["purpose"], "version": p["version"]} for p in policies if p["required"]]

    def sign_in_by_phone(self, phone: str) -> dict:
        challenge = self.call("POST", "auth/sms-codes", 202, json={"phone": phone, "purpose": "sign_in"}).json()
        code = self.sandbox("GET", "sms", params={"phone": phone})["results"][0]["code"]
        body = {"challenge_id": challenge["challenge_id"], "code": code, "consents": self.consents()}
        return self.signed_in(self.call("POST", "auth/phone", json=body))

    def sign_in_by_wechat(self, openid: str) -> dict:
        """As the mini-program does: wx.login, and where consent is asked for, register."""
        code = self.sandbox("POST", f"wechat/users/{openid}/login-code")["code"]
        answer = self.call("POST", "auth/wechat/mini-program", json={"code": code, "consents": []})
        if answer.status_code == 422:
            asked = answer.json()
            given = [{"purpose": p["purpose"], "version": p["version"]} for p in asked["required"]]
            body = {"registration_token": asked["registration_token"], "consents": given}
            answer = self.call("POST", "auth/register", json=body)
        return self.signed_in(answer)

    def pay(self, number: str, **told) -> None:
        """Pay an order in the mini-program by WeChat Pay's stand-in, which notifies as it is `told`."""
        opened = self.call("POST", f"me/orders/{number}/payments", 201, json={"method": "wechat_jsapi"}).json()
        self.sandbox("POST", f"wechat-pay/{opened['payment_id']}/succeed", json=told)

    def order(self, number: str) -> dict:
        return self.call("GET", f"me/orders/{number}", 200).json()

    def ask_back(self, number: str, *pieces: int, reason: str = "包装破损") -> dict:
        """Ask for money for so many pieces of each article; the refund."""
        lines = zip(self.order(number)["lines"], pieces, strict=False)
        items = [{"line_id": line["id"], "quantity": count} for line, count in lines if count]
        return self.call("POST", f"me/orders/{number}/refunds", 201, json={"items": items, "reason": reason}).json()

    def sandbox(self, method: str, path: str, **kwargs):
        answer = self.http.request(method, f"/sandbox/{path}", **kwargs)
        assert answer.is_success, f"{method} /sandbox/{path}: {answer.status_code} {answer.text}"
        return answer.json() if answer.content else None

    def ticket(self) -> str:
        return self.call("POST", "ws-tickets", 201).json()["url"]

    def socket(self, after: int | None = None) -> "Socket":
        return Socket(self.ticket(), after)


def both_doors(base: str, phone: str) -> tuple[Client, Client, dict]:
    """Somebody on the website and in the mini-program: both clients and the one member."""
    website, mini = Client(base, "website"), Client(base, "mini-program")
    openid = website.sandbox("POST", "wechat/users", json={"phone": phone})["openid"]
    website.sign_in_by_phone(phone)
    mini.sign_in_by_wechat(openid)
    code = mini.sandbox("POST", f"wechat/users/{openid}/phone-code")["code"]
    return website, mini, mini.signed_in(mini.call("POST", "auth/wechat/phone", json={"code": code}))["member"]


class Backend:
    """A channel's backend: its key, its orders."""

    def __init__(self, base: str, channel: str):
        self.channel = channel
        credentials = httpx.get(f"{base}/sandbox/credentials", trust_env=False, timeout=TIMEOUT).json()
        self.secrets = credentials["channels"][channel]
        headers = {"Authorization": f"Bearer {self.secrets['api_key']}"}
        http = httpx.Client(base_url=f"{base}/api/v1/", timeout=TIMEOUT, trust_env=False, headers=headers)
        self.http = OPEN.enter_context(http)

    def call(self, method: str, path: str, status: int | None = None, **kwargs) -> httpx.Response:
        answer = held(self.http.request(method, path, **kwargs))
        if status is not None:
            assert answer.status_code == status, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer

    def place(self, member: str, external_id: str, **more) -> dict:
        item = {"sku": "TEA-01", "name": "龙井 50g", "quantity": 2, "unit_price_fen": 6450}
        body = {"external_id": external_id, "member_id": member, "items": [item], "shipping_fen": 0, "discounts": []}
        return self.call("POST", "orders", 201, json=body | {"total_fen": 12_900} | more).json()

    def tell(self, event: dict) -> dict:
        """Push a fact into the hub's inbox, signed; the counts."""
        now = datetime.now(UTC)
        known = {"specversion": "1.0", "source": f"/channels/{self.channel}", "time": f"{now:%FT%TZ}"}
        body = json.dumps(known | event)
        headers = {
            "X-Channel": self.channel,
            "Content-Type": "application/cloudevents+json",
            "webhook-id": event["id"],
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": Webhook(self.secrets["inbound_secret"]).sign(event["id"], now, body),
        }
        return self.call("POST", "inbox", 202, content=body, headers=headers).json()

    def feed(self) -> list[dict]:
        """All of it, page by page."""
        found, cursor = [], None
        while True:
            params = {"limit": 100} | ({"after": cursor} if cursor else {})
            page = self.call("GET", "feed", 200, params=params).json()
            found, cursor = found + [contract.hold_event(event) for event in page["results"]], page["cursor"]
            if not page["has_more"]:
                return found


class Socket:
    """A live socket read by a thread of its own; answers pings, keeps what it was told."""

    def __init__(self, url: str, after: int | None = None):
        self.frames: queue.Queue = queue.Queue()
        self.events: list[dict] = []
        line = connect(url if after is None else f"{url}&after={after}", proxy=None)
        self.connection = OPEN.enter_context(line)
        self.code: int | None = None
        self.ended = threading.Event()
        threading.Thread(target=self.read, daemon=True).start()
        self.hello = self.frame()
        assert self.hello["kind"] == "hello", self.hello

    def read(self):

        with suppress(ConnectionClosed):
            for text in self.connection:
                frame = json.loads(text)
                if frame["kind"] == "ping":
                    self.connection.send('{"kind": "pong"}')
                else:
                    self.frames.put(frame)
        self.code = self.connection.close_code
        self.ended.set()

    def frame(self, timeout: float = TIMEOUT) -> dict:
        return self.frames.get(timeout=timeout)

    def until(self, type: str, timeout: float = TIMEOUT) -> dict:
        """Read on to the next event of this type."""
        while True:
            event = contract.hold_event(self.frame(timeout)["event"])
            self.events.append(event)
            if event["type"] == type:
                return event

    def sequences(self) -> list[int]:
        return [int(event["sequence"]) for event in self.events]

    def kill(self):
        """Cut the line without a farewell."""
        self.connection.socket.shutdown(socket.SHUT_RDWR)
        assert self.ended.wait(TIMEOUT)

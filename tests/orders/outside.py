"""The outside world: a WeChat Pay that listens on loopback, verifies what it is sent and signs what it says."""

import base64
import hashlib
import json
import secrets
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from orders.payments import signing
from tests import make
from tests.orders import outside_refunds

SHANGHAI = ZoneInfo("Asia/Shanghai")
SERIAL = "5157F09EFDC096DE15EBE81A47057A7232F1B8E1"


def key_pair() -> tuple[str, str]:
    """A private and a public RSA key, PEM."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return private.decode(), public.decode()


class Outside:
    """WeChat Pay towards one merchant: payments by out_trade_no, faults to order, calls received."""

    def __init__(self, private_key: str, merchant_public: str, *, mchid: str, api_key: str):
        self.private_key, self.merchant_public = private_key, merchant_public
        self.mchid, self.api_key = mchid, api_key
        self.trades: dict[str, dict] = {}
        self.calls: list[tuple[str, str]] = []
        self.failing: int | None = None
        self.url = ""
        self.before_answer = lambda path: None
        self.serial = SERIAL
        self.certificates = dict  # what the list of certificates answers
        self.signing_of = lambda path: None
        self.bill, self.bill_told = b"", {}
        self.refunds = outside_refunds.Refunds()

    def answer(self, method: str, path: str, body: bytes) -> tuple[int, dict | None]:
        """What the real one would answer."""
        last = path.rpartition("/")[2]
        if path.startswith("/v3/refund/"):
            return self.refunds.answer(method, path, body)
        if last == "certificates":
            return 200, self.certificates()
        if "bill" in path:
            return 200, self.billed(path)
        if method == "POST" and last in {"jsapi", "native", "h5"}:
            asked = json.loads(body)
            self.trades[asked["out_trade_no"]] = asked | {"trade_state": "NOTPAY"}
            name, value = {
                "jsapi": ("prepay_id", "wx2016"),
                "native": ("code_url", "weixin://wxpay/bizpayurl?pr=1"),
                "h5": ("h5_url", "https://wx.tenpay.com/checkmweb?prepay_id=1"),
            }[last]
            return 200, {name: value}
        number = path.split("/")[5].partition("?")[0]
        if number not in self.trades:
            return 404, {"code": "ORDER_NOT_EXIST", "message": "订单不存在"}
        if last == "close" and self.trades[number].get("paid_at_last"):
            return 400, {"code": "ORDERPAID", "message": "该订单已支付"}
        if last == "close":
            self.trades[number]["trade_state"] = "CLOSED"
            return 204, None
        return 200, self.told(number)

    def billed(self, path: str) -> dict | bytes:
        """Where the bill lies, or the bill."""
        if "billdownload" in path:
            return self.bill
        where = {"hash_type": "SHA1", "hash_value": hashlib.sha1(self.bill, usedforsecurity=False).hexdigest()}
        return where | {"download_url": f"{self.url}/v3/billdownload/file?token=1"} | self.bill_told

    def told(self, number: str) -> dict:
        """A transaction as queries and notifications tell it."""
        trade = self.trades[number]
        return {name: trade[name] for name in ("appid", "mchid", "out_trade_no", "trade_state", "amount")} | {
            "transaction_id": trade.get("transaction_id", ""),
            "success_time": trade.get("success_time", ""),
        }

    def pay(self, number: str, **changed) -> dict:
        """The member pays; returns the transaction."""
        known = {"trade_state": "SUCCESS", "success_time": make.NOON.astimezone(SHANGHAI).isoformat()}
        known["transaction_id"] = "42000" + secrets.token_hex(8)
        self.trades[number] |= known | changed
        return self.told(number)

    def notification(self, told: dict, *, type: str = "TRANSACTION.SUCCESS", **changed) -> tuple[bytes, dict[str, str]]:
        """Body and headers of a notification about `told`."""
        nonce = secrets.token_hex(6)
        sealed = AESGCM(self.api_key.encode()).encrypt(nonce.encode(), json.dumps(told).encode(), b"transaction")
        resource = {
            "original_type": "transaction",
            "algorithm": "AEAD_AES_256_GCM",
            "ciphertext": base64.b64encode(sealed).decode(),
            "associated_data": "transaction",
            "nonce": nonce,
        }
        notice = {"id": secrets.token_hex(16), "event_type": type, "resource_type": "encrypt-resource"}
        body = json.dumps(notice | {"resource": resource} | changed).encode()
        return body, self.signed(body)

    def signed(self, body: bytes, *, at: float | None = None, by: tuple[str, str] | None = None) -> dict[str, str]:
        """The headers that make a body WeChat Pay's own; `by` another serial and private key than usual."""
        serial, private_key = by or (self.serial, self.private_key)
        timestamp, nonce = str(int(at or time.time())), secrets.token_hex(16)
        signature = signing.sign(signing.lines(timestamp, nonce, body), private_key)
        return dict(zip(signing.HEADERS, (serial, signature, timestamp, nonce), strict=True))

    def is_signed(self, method: str, path: str, authorization: str, body: bytes) -> bool:
        """Whether the merchant signed this call."""
        scheme, _space, stated = authorization.partition(" ")
        proof = dict(part.split("=", 1) for part in stated.replace('"', "").split(","))
        message = signing.lines(method, path, proof["timestamp"], proof["nonce_str"], body)
        stamped = (proof["serial_no"], proof["signature"], proof["timestamp"], proof["nonce_str"])
        if scheme != signing.SCHEME or proof["mchid"] != self.mchid:
            return False
        # The lines of a call differ from those of an answer, so the key is used directly.
        key = serialization.load_pem_public_key(self.merchant_public.encode())
        key.verify(base64.b64decode(stamped[1]), message, signing.PKCS1v15(), signing.hashes.SHA256())
        return True


class Listener(BaseHTTPRequestHandler):
    """One request to the outside."""

    protocol_version = "HTTP/1.1"

    def do_POST(self):
        self.respond(self.rfile.read(int(self.headers["Content-Length"] or 0)))

    def do_GET(self):
        self.respond(b"")

    def respond(self, body: bytes) -> None:
        outside: Outside = self.server.outside
        outside.calls.append((self.command, urlsplit(self.path).path))
        outside.before_answer(self.path)
        if outside.failing:
            status, answer = outside.failing, {"code": "SYSTEM_ERROR"}
        elif outside.is_signed(self.command, self.path, self.headers["Authorization"], body):
            status, answer = outside.answer(self.command, self.path, body)
        else:
            status, answer = 401, {"code": "SIGN_ERROR"}
        content = answer if isinstance(answer, bytes) else b"" if answer is None else json.dumps(answer).encode()
        self.send_response(status)
        stated = outside.signed(content, by=outside.signing_of(self.path))
        for name, value in (stated | {"Content-Length": str(len(content))}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *arguments):
        """Quiet."""


@contextmanager
def listening(outside: Outside):
    """The outside world, at `outside.url`, until the end of the block."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Listener)
    server.daemon_threads = True
    server.outside = outside
    outside.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=[0.01], daemon=True)
    thread.start()
    try:
        yield outside
    finally:
        server.shutdown()
        thread.join()
        server.server_close()

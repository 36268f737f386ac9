"""WeChat's message pushes as WeChat makes them: signed, in clear or sealed."""

import base64
import json
import secrets
import time

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC
from django.test import Client

from orders.wechat_sealing import signature
from tests import make

TOKEN, KEY = "push-token", "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG"
APP = "wx-mini-program"


def channel(*, sealed: bool = False, **fields):
    """The mini-program, ready to be pushed to."""
    made = make.channel("mini-program")
    made.push_token, made.push_key = TOKEN, KEY if sealed else None
    for name, value in fields.items():
        setattr(made, name, value)
    made.save()
    return made


def event(name: str, **fields) -> dict:
    """An event of WeChat's."""
    known = {"ToUserName": "gh_1", "FromUserName": "openid-of-ming", "CreateTime": int(time.time())}
    return known | {"MsgType": "event", "Event": name} | fields


def query(*more: str, token: str = TOKEN, at: float | None = None, name: str = "signature", nonce: str = "") -> dict:
    """What stands in the address of a push."""
    asked = {"timestamp": str(int(at or time.time())), "nonce": nonce or secrets.token_hex(5)}
    return asked | {name: signature(token, asked["timestamp"], asked["nonce"], *more)}


def sealed(content: bytes, *, app_id: str = APP, key: str = KEY) -> str:
    """`Encrypt`: 16 random bytes, the length, the content and the app, padded to 32, by AES-256-CBC."""
    plain = secrets.token_bytes(16) + len(content).to_bytes(4, "big") + content + app_id.encode()
    padding = 32 - len(plain) % 32
    secret = base64.b64decode(f"{key}=")
    writing = Cipher(AES(secret), CBC(secret[:16])).encryptor()
    return base64.b64encode(writing.update(plain + bytes([padding]) * padding) + writing.finalize()).decode()


def push(told: dict | bytes, *, app_id: str = APP, **asked):
    """Push in clear; a dict travels as JSON."""
    body = told if isinstance(told, bytes) else json.dumps(told, ensure_ascii=False).encode()
    return post(body, query(**asked), app_id=app_id)


def push_sealed(told: dict | bytes, *, app_id: str = APP, as_xml: bool = False, key: str = KEY, whose: str = APP):
    """Push sealed, as WeChat does in its safe mode."""
    body = told if isinstance(told, bytes) else json.dumps(told, ensure_ascii=False).encode()
    encrypted = sealed(body, app_id=whose, key=key)
    around = f"<xml><ToUserName>gh_1</ToUserName><Encrypt><![CDATA[{encrypted}]]></Encrypt></xml>".encode()
    body = around if as_xml else json.dumps({"ToUserName": "gh_1", "Encrypt": encrypted}).encode()
    asked = query(encrypted, name="msg_signature") | {"encrypt_type": "aes"}
    return post(body, asked, app_id=app_id)


def post(body: bytes, asked: dict, *, app_id: str = APP):
    """What the hub answers."""
    return Client().post(f"/callbacks/wechat/{app_id}", body, content_type="text/xml", query_params=asked)

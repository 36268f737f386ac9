"""How WeChat's message pushes prove themselves, and how they open: a token's SHA-1 over sorted parts, AES under a key.

SHA-1 and the layout are WeChat's. A body in clear proves only that its sender knew the token a moment ago; where the
app has an EncodingAESKey nothing but a sealed body is taken, which proves the content and the app it is for.
"""

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Mapping
from xml.parsers import expat

import orjson
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC

from sync.http import Problem
from sync.http.input import loads

WINDOW = 300  # seconds a push may be old, or early
MOST = 256 * 1024  # bytes of a push
BLOCK, RANDOM, LENGTH = 32, 16, 4
DEEPEST, MOST_ELEMENTS = 16, 2_000


class NotGenuine(Exception):
    """It does not prove to be WeChat's, for this app and of now; the text says why, for the log."""


def require_signature(asked: Mapping[str, str], token: str, *more: str, name: str = "signature", now: float) -> None:
    """Pass when the query carries the right signature, made within 5 minutes of `now`; else raise NotGenuine."""
    timestamp, nonce = asked.get("timestamp", ""), asked.get("nonce", "")
    if not (re.fullmatch(r"[0-9]{1,12}", timestamp) and abs(now - int(timestamp)) <= WINDOW):
        raise NotGenuine("too old or too early")
    right = signature(token, timestamp, nonce, *more)
    if not hmac.compare_digest(right.encode(), asked.get(name, "").encode()):
        raise NotGenuine("the signature does not hold")


def signature(*parts: str) -> str:
    """WeChat's: the SHA-1 of the parts in their order of letters."""
    return hashlib.sha1("".join(sorted(parts)).encode(), usedforsecurity=False).hexdigest()


def read(asked: Mapping[str, str], body: bytes, *, token: str, key: str, app_id: str, now: float) -> dict:
    """What a push tells, JSON or XML, sealed where the app has a key. Raises NotGenuine."""
    if len(body) > MOST:
        raise NotGenuine("too long")
    if not key:
        require_signature(asked, token, now=now)
        return parsed(body)
    sealed = parsed(body).get("Encrypt")
    if not isinstance(sealed, str):
        raise NotGenuine("in clear, though the app has a key")
    require_signature(asked, token, sealed, name="msg_signature", now=now)
    return parsed(unsealed(sealed, key, app_id))


def unsealed(sealed: str, key: str, app_id: str) -> bytes:
    """The plain text of `Encrypt`, if it is for this app; raises NotGenuine."""
    try:
        raw, secret = base64.b64decode(sealed, validate=True), base64.b64decode(f"{key}=")
        opened = Cipher(AES(secret), CBC(secret[:16])).decryptor()
        plain = opened.update(raw) + opened.finalize()
    except (ValueError, binascii.Error) as error:
        raise NotGenuine("it does not open") from error
    padding = plain[-1] if plain else 0
    if not 1 <= padding <= BLOCK or plain[-padding:] != bytes([padding]) * padding:
        raise NotGenuine("it does not open")
    told = plain[RANDOM:-padding]
    size = int.from_bytes(told[:LENGTH], "big")
    content, whose = told[LENGTH : LENGTH + size], told[LENGTH + size :]
    if len(content) != size or not hmac.compare_digest(whose, app_id.encode()):
        raise NotGenuine("for another app")
    return content


def parsed(body: bytes) -> dict:
    """A JSON object, or an XML document as one; raises NotGenuine."""
    try:
        value = from_xml(body) if body.lstrip()[:1] == b"<" else loads(body)
        sound = loads(orjson.dumps(value))
    except (Problem, expat.ExpatError, orjson.JSONEncodeError, ValueError) as error:
        raise NotGenuine("neither JSON nor XML") from error
    if not isinstance(sound, dict):
        raise NotGenuine("not an object")
    return sound


def from_xml(body: bytes) -> dict:
    """The children of an XML document's root, by their names: texts, objects, lists of what comes repeatedly.

    A document type, and with it every entity, is refused, as is what is deep or endless. Raises ValueError, ExpatError.
    """
    reading = _Xml()
    reading.parser.Parse(body, True)
    return reading.root if isinstance(reading.root, dict) else {}


class _Xml:
    """Builds the object while expat reads."""

    def __init__(self):
        self.parser = expat.ParserCreate("UTF-8")  # whatever it says of itself
        self.parser.StartElementHandler = self.start
        self.parser.EndElementHandler = self.end
        self.parser.CharacterDataHandler = self.text
        self.parser.StartDoctypeDeclHandler = self.refuse
        self.parser.EntityDeclHandler = self.refuse
        self.parser.buffer_text = True
        self.open, self.count, self.root = [], 0, None

    def start(self, name, attributes):
        self.count += 1
        if self.count > MOST_ELEMENTS or len(self.open) >= DEEPEST:
            raise ValueError("too much XML")
        self.open.append(({}, []))

    def text(self, text):
        self.open[-1][1].append(text)

    def end(self, name):
        inside, texts = self.open.pop()
        value = inside or "".join(texts).strip()
        if not self.open:
            self.root = value
            return
        around = self.open[-1][0]
        if name not in around:
            around[name] = value
        elif isinstance(around[name], list):
            around[name].append(value)
        else:
            around[name] = [around[name], value]

    def refuse(self, *_declared):
        raise ValueError("a document type")

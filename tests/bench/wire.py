"""The thinnest WebSocket clients there can be: they count frames and read what is asked, and cost nearly nothing."""

import asyncio
import base64
import os
import socket
import time
from urllib.parse import urlsplit

PING, PONG = 9, 10


def handshake(url: str) -> bytes:
    """The request that opens a socket."""
    address = urlsplit(url)
    path = f"{address.path or '/'}?{address.query}"
    key = base64.b64encode(os.urandom(16)).decode()
    upgrade = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13"
    return f"GET {path} HTTP/1.1\r\nHost: {address.netloc}\r\n{upgrade}\r\nSec-WebSocket-Key: {key}\r\n\r\n".encode()


def framed(text: bytes, opcode: int = 1) -> bytes:
    """A frame of a client, masked with nothing; shorter than 126 bytes."""
    return bytes([0x80 | opcode, 0x80 | len(text), 0, 0, 0, 0]) + text


def frames(buffer: bytearray, send) -> list[bytes]:
    """Takes the whole frames out of a server's bytes; what each text holds. Pings are answered."""
    found, at = [], 0
    while len(buffer) - at >= 2:
        length, head = buffer[at + 1] & 127, 2
        if length >= 126:
            head = 4 if length == 126 else 10
            length = int.from_bytes(buffer[at + 2 : at + head])
        if len(buffer) - at < head + length:
            break
        opcode, held = buffer[at] & 15, bytes(buffer[at + head : at + head + length])
        at += head + length
        if opcode == PING:
            send(framed(held, PONG))
        else:
            found.append(held)
    del buffer[:at]
    return found


class Wire:
    """One socket that is read by whoever waits for it."""

    def __init__(self, url: str):
        address = urlsplit(url)
        self.line = socket.create_connection((address.hostname, address.port), timeout=60)
        self.line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.line.sendall(handshake(url))
        self.buffer, self.ready = bytearray(), []
        while b"\r\n\r\n" not in self.buffer:
            self._more()
        del self.buffer[: self.buffer.index(b"\r\n\r\n") + 4]

    def read(self) -> bytes:
        """The next frame. Raises TimeoutError after a minute of silence."""
        while not self.ready:
            self.ready = frames(self.buffer, self.line.sendall)
            if not self.ready:
                self._more()
        return self.ready.pop(0)

    def read_event(self) -> bytes:
        """The next frame that holds an event."""
        while not (frame := self.read()).startswith(b'{"kind":"event"'):
            pass
        return frame

    def say(self, text: bytes) -> None:
        self.line.sendall(framed(text))

    def close(self) -> None:
        self.line.close()

    def _more(self) -> None:
        said = self.line.recv(65536)
        if not said:
            raise ConnectionError("The socket was closed")
        self.buffer += said


class Counting(asyncio.Protocol):
    """A socket of a crowd: `crowd.told` counts frames that hold `MARK`."""

    def __init__(self, crowd: "Crowd", url: str):
        self.crowd, self.url, self.buffer, self.open = crowd, url, bytearray(), False

    def connection_made(self, transport):
        self.transport = transport
        transport.write(handshake(self.url))

    def data_received(self, data):
        self.buffer += data
        if not self.open:
            if b"\r\n\r\n" not in self.buffer:
                return
            del self.buffer[: self.buffer.index(b"\r\n\r\n") + 4]
            self.open = True
        for frame in frames(self.buffer, self.transport.write):
            if frame.startswith(b'{"kind":"ping"'):
                self.transport.write(framed(b'{"kind":"pong"}'))
            self.crowd.heard(frame)

    def connection_lost(self, error):
        self.crowd.lost += 1


class Crowd:
    """Many sockets on one loop. `greeted` have been told hello (or were opened, where nobody says so)."""

    MARK = b'"mark":'

    def __init__(self):
        self.greeted = self.told = self.lost = 0
        self.first = self.last = 0.0
        self.sockets: list[Counting] = []

    def heard(self, frame: bytes) -> None:
        if self.MARK in frame:
            self.last = time.perf_counter()
            self.first = self.first or self.last
            self.told += 1
        elif b'"hello"' in frame:
            self.greeted += 1

    async def join(self, urls: list[str], at_once: int = 50) -> None:
        """Open all of these, some at a time, and wait until each is greeted."""
        loop = asyncio.get_running_loop()
        for start in range(0, len(urls), at_once):
            part = urls[start : start + at_once]
            wanted = self.greeted + len(part)
            made = [loop.create_connection(lambda url=url: Counting(self, url), *_place(url)) for url in part]
            self.sockets += [protocol for _transport, protocol in await asyncio.gather(*made)]
            await until(lambda wanted=wanted: self.greeted >= wanted, "not all were greeted")

    async def broadcast(self, tell) -> tuple[float, float]:
        """Call `tell()`; after how many seconds the first and the last socket had heard it."""
        self.told, self.first, began = 0, 0.0, time.perf_counter()
        tell()
        await until(lambda: self.told >= len(self.sockets), "not all heard it")
        return self.first - began, self.last - began

    def leave(self) -> None:
        for each in self.sockets:
            each.transport.abort()


def _place(url: str) -> tuple[str, int]:
    address = urlsplit(url)
    return address.hostname, address.port


async def until(holds, otherwise: str, seconds: float = 60) -> None:
    """Return as soon as `holds()`. Raises RuntimeError."""
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            raise RuntimeError(otherwise)
        await asyncio.sleep(0.001)

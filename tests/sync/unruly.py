"""Receivers as they are met in the wild, on a bare socket: what they do once they have read a request is up to them."""

import socket
import ssl
import struct
import threading
from collections.abc import Callable
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

BLINK = 0.05  # seconds between two bytes of who drips them
TLS = b"\x16"  # how whoever expects TLS begins
OK = b"HTTP/1.1 200 OK\r\n"
Conduct = Callable[[socket.socket, threading.Event], None]


class Unruly:
    """`conduct` is what happens on each connection; `requests` counts those that were read to their end."""

    def __init__(self, conduct: Conduct, tls: ssl.SSLContext | None):
        self.conduct, self.tls, self.over, self.requests = conduct, tls, threading.Event(), 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.threads = [threading.Thread(target=self._accept)]
        self.threads[0].start()

    @property
    def url(self) -> str:
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}/hook"

    def stop(self) -> None:
        self.over.set()
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for thread in self.threads:
            thread.join(10)

    def _accept(self) -> None:
        while True:
            try:
                connection, _address = self.listener.accept()
            except OSError:
                return
            self.threads.append(threading.Thread(target=self._serve, args=[connection]))
            self.threads[-1].start()

    def _serve(self, connection: socket.socket) -> None:
        connection.settimeout(10)
        try:
            if self.tls:
                connection = self.tls.wrap_socket(connection, server_side=True)
            if _read(connection):
                self.requests += 1
                self.conduct(connection, self.over)
        except OSError:
            return  # the other side has had enough
        finally:
            connection.close()


@contextmanager
def unruly(conduct: Conduct, tls: ssl.SSLContext | None = None):
    server = Unruly(conduct, tls)
    try:
        yield server
    finally:
        server.stop()


def saying(head: bytes, *, then: bytes = b"", endless: bool = False, dripping: bool = False) -> Conduct:
    """Says `head`, then something after it: once, without end, or byte by byte."""

    def conduct(connection: socket.socket, over: threading.Event) -> None:
        connection.sendall(head)
        while then and not over.is_set():
            connection.sendall(then)
            if dripping:
                over.wait(BLINK)
            elif not endless:
                return

    return conduct


def answering(status: str, *headers: str, body: bytes = b"") -> Conduct:
    """A proper answer."""
    told = [f"HTTP/1.1 {status}", *headers, f"Content-Length: {len(body)}", "Connection: close", "", ""]
    return saying("\r\n".join(told).encode() + body)


def silent(_connection: socket.socket, over: threading.Event) -> None:
    over.wait(60)


def hanging_up(_connection: socket.socket, _over: threading.Event) -> None:
    """Closes without a word."""


def resetting(connection: socket.socket, _over: threading.Event) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def certificate(folder: Path, host: str = "127.0.0.1", days: int = 1) -> tuple[ssl.SSLContext, Path]:
    """TLS of a server by a certificate that it made itself; and the file by which it could be trusted."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    who = x509.IPAddress(ip_address(host)) if host[0].isdigit() else x509.DNSName(host)
    made = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    made = made.not_valid_before(now - timedelta(days=9)).not_valid_after(now + timedelta(days=days))
    made = made.add_extension(x509.SubjectAlternativeName([who]), critical=False)
    made = made.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    public = folder / "certificate.pem"
    private = folder / "key.pem"
    public.write_bytes(made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    plain = serialization.NoEncryption()
    private.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain))
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(public, private)
    return server, public


def _read(connection: socket.socket) -> bool:
    """Read a whole request; whether there was one."""
    told = b""
    while b"\r\n\r\n" not in told:
        if not (part := connection.recv(65_536)):
            return False
        told += part
        if told.startswith(TLS):
            connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            return False
    head, _end, body = told.partition(b"\r\n\r\n")
    length = next(int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:"))
    while len(body) < length:
        body += connection.recv(65_536)
    return True

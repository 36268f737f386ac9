"""Addresses outside: what the hub calls on somebody's word must not lead into its own network.

A host is resolved once, every address it has is judged, and the caller connects to what was judged, so that a name
that answers differently the second time gains nothing. `HUB_INTERNAL_NETWORKS` names networks that are allowed.
"""

import ipaddress
import socket
from dataclasses import dataclass
from urllib.parse import urlsplit

from django.conf import settings
from django.utils.translation import gettext_lazy as _

NAT64 = ipaddress.ip_network("64:ff9b::/96")
# Not public, whatever a version of Python says of them: metadata of Oracle's and Azure's clouds, relays of 6to4,
# documentation, segment routing.
NEVER = [
    ipaddress.ip_network(each)
    for each in ("192.0.0.0/24", "168.63.129.16/32", "192.88.99.0/24", "3fff::/20", "5f00::/16")
]


class Refused(Exception):
    """The address is malformed, does not resolve, or leads to a network that is not public."""


@dataclass(frozen=True)
class Destination:
    """An address that may be called: connect to one of `ips`, speak to `host`."""

    scheme: str
    host: str
    port: int
    ips: tuple[str, ...]


def refuse_internal(url: str) -> Destination:
    """Resolve the host of an http(s) URL and judge every address it has; raises Refused."""
    scheme, host, port = parsed(url)
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise Refused(_("The host does not resolve")) from error
    return Destination(scheme, host, port, judged([each[4][0] for each in found]))


def parsed(url: str) -> tuple[str, str, int]:
    """Scheme, host and port of a URL that could be called; raises Refused."""
    try:
        parts = urlsplit(url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError as error:
        raise Refused(_("The address is malformed")) from error
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.username or parts.password:
        raise Refused(_("The address is malformed"))
    return parts.scheme, parts.hostname, port


def judged(ips: list[str]) -> tuple[str, ...]:
    """The addresses, if all of them are public or allowed by name; raises Refused."""
    if not ips or any(is_internal(ip) for ip in ips):
        raise Refused(_("The address leads into a network that is not public"))
    return tuple(dict.fromkeys(ips))


def is_internal(ip: str) -> bool:
    """Whether an IP address is anything but public: private, loopback, link-local, metadata, reserved, multicast."""
    address = _inner(ipaddress.ip_address(ip.partition("%")[0]))
    allowed = (ipaddress.ip_network(network, strict=False) for network in settings.INTERNAL_NETWORKS)
    if any(address.version == network.version and address in network for network in allowed):
        return False
    if any(address.version == network.version and address in network for network in NEVER):
        return True
    site_local = address.version == 6 and address.is_site_local
    return not address.is_global or address.is_multicast or address.is_reserved or site_local


def _inner(address):
    """The IPv4 address that an IPv6 one carries (mapped, 6to4, Teredo, NAT64), else the address itself."""
    if address.version == 4:
        return address
    if address in NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    teredo = address.teredo and address.teredo[1]
    return address.ipv4_mapped or address.sixtofour or teredo or address

"""Who may touch the sandbox: this machine, and no page of another site that happens to be open on it."""

from ipaddress import ip_address
from urllib.parse import urlsplit

from django.core.exceptions import DisallowedHost
from django.http import HttpRequest


def is_local(request: HttpRequest) -> bool:
    """Whether the request comes from this machine."""
    try:
        return ip_address(request.META.get("REMOTE_ADDR", "")).is_loopback
    except ValueError:
        return False


def is_foreign_page(request: HttpRequest) -> bool:
    """Whether a browser sends it for a page of another origin, or under a name that is not this machine's."""
    try:
        origin, host = request.headers.get("Origin"), request.get_host()
        return origin is not None and urlsplit(origin).netloc != host
    except (DisallowedHost, ValueError):  # ValueError: an origin that is none
        return True

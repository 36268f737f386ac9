"""What only pages for people need: the public contract knows no cookies, no forms and no messages."""

from functools import cached_property

from csp.constants import HEADER
from csp.middleware import CSPMiddleware
from csp.utils import build_policy
from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.messages.middleware import MessageMiddleware
from django.contrib.sessions.middleware import SessionMiddleware

CONTRACT = "/api/"


class OfPages:
    """A middleware that stands aside where the public contract is spoken."""

    def __call__(self, request):
        return self.get_response(request) if request.path.startswith(CONTRACT) else super().__call__(request)


class Sessions(OfPages, SessionMiddleware):
    """Django's sessions."""


class Staff(OfPages, AuthenticationMiddleware):
    """Who is signed in to the admin."""


class Messages(OfPages, MessageMiddleware):
    """What the next page tells."""


class Policy(CSPMiddleware):
    """The policy for what a browser may do with an answer: one and the same, unless a view asked for another."""

    @cached_property
    def usual(self) -> str:
        return build_policy()

    def process_response(self, request, response):
        is_usual = not any(name.startswith("_csp") for name in (*vars(response), *vars(request)))
        if not is_usual or not request.path.startswith(CONTRACT):
            return super().process_response(request, response)
        response.headers.setdefault(HEADER, self.usual)
        return response

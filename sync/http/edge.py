"""Middleware at the edge: request ids, size limits, the PATCH override, CORS by channel."""

from http import HTTPStatus
from io import BytesIO

from django.conf import settings
from django.http import HttpResponse
from django.utils.cache import patch_vary_headers

from sync import ids
from sync.http.input import MAX_BODY
from sync.http.problems import Problem, problem_response

MACHINE_PATHS = ("/api/", "/callbacks/")
AROUND_FILE = 16 * 1024  # bytes of a form beside its file
EXPOSED = "ETag, Retry-After, X-Request-ID, Idempotency-Replayed"
ALLOWED_HEADERS = (
    "Authorization, Content-Type, Idempotency-Key, If-Match, Accept-Language, X-Channel, "
    "X-Device-ID, X-HTTP-Method-Override, X-Request-ID"
)


class RequestIds:
    """Takes or makes X-Request-ID, holds it for logs and events, returns it."""

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        request.id = ids.named_request(request.headers.get("X-Request-ID"))
        held = ids.request_id.set(request.id)
        try:
            response = self.get_response(request)
        finally:
            ids.request_id.reset(held)
        response["X-Request-ID"] = request.id
        return response


class Limits:
    """Bodies up to 1 MiB (files apart), no NUL in paths or queries; POST with the override header is PATCH.

    Files are sent to the paths of `settings.FILES_UP_TO` alone, each with its size.
    """

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        if not request.path.startswith(MACHINE_PATHS):
            return self.get_response(request)
        most = self.most(request)
        if self.is_of_unknown_length(request):
            self.measure(request, most)
        length = request.META.get("CONTENT_LENGTH") or "0"
        if not (length.isascii() and length.isdigit()):
            return problem_response(Problem("invalid"))
        if int(length) > most:
            return problem_response(Problem("too_large"))
        if int(length) > MAX_BODY:
            request._body = request.read()  # Django's own limit of a body held in memory knows no exception
        if "\0" in request.path or "%00" in request.META.get("QUERY_STRING", ""):
            return problem_response(Problem("invalid"))
        if request.method == "POST" and request.headers.get("X-HTTP-Method-Override", "").upper() == "PATCH":
            request.method = "PATCH"
        return self.get_response(request)

    @staticmethod
    def most(request) -> int:
        """How long the body may be: a file comes with some lines around it."""
        is_file = request.method == "POST" and request.content_type == "multipart/form-data"
        size = settings.FILES_UP_TO.get(request.path) if is_file else None
        return size + AROUND_FILE if size else MAX_BODY

    @staticmethod
    def is_of_unknown_length(request) -> bool:
        """Whether a body may come in chunks (HTTP/1.1) or frames (HTTP/2), which Django alone takes for none."""
        is_open = request.META.get("wsgi.input_terminated") and not request.META.get("CONTENT_LENGTH")
        return bool(is_open) and request.method in {"POST", "PUT", "PATCH", "DELETE"}

    @staticmethod
    def measure(request, most: int) -> None:
        """Read the body, as far as one may be sent, so that its length is known."""
        body = request.META["wsgi.input"].read(most + 1)
        request.META["CONTENT_LENGTH"] = str(len(body))
        request._stream = BytesIO(body)


class Cors:
    """A preflight is answered for the origins of all channels; an answer for those of the request's own channel.

    A refusal that came before the channel was known (an expired token, a body too large) says nothing of anybody:
    pages of every channel may read why.
    """

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        if not request.path.startswith("/api/"):
            return self.get_response(request)
        origin = request.headers.get("Origin", "")
        if origin and request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers:
            response = self.preflight(origin)
        else:
            response = self.get_response(request)
            if origin and self.may_read(request, response, origin):
                self.allow(response, origin)
        patch_vary_headers(response, ["Origin"])
        return response

    def preflight(self, origin):
        response = HttpResponse(status=HTTPStatus.NO_CONTENT)
        if self.is_known(origin):
            self.allow(response, origin)
            response["Access-Control-Allow-Methods"] = "GET, POST, PUT, PATCH, DELETE"
            response["Access-Control-Allow-Headers"] = ALLOWED_HEADERS
            response["Access-Control-Max-Age"] = "600"
        return response

    def may_read(self, request, response, origin) -> bool:
        channel = getattr(request, "channel", None)
        if channel is None:
            return response.status_code >= HTTPStatus.BAD_REQUEST and self.is_known(origin)
        return origin in channel.origins

    @staticmethod
    def is_known(origin: str) -> bool:
        """Whether it is an origin of any channel."""
        from sync.models import Channel  # noqa: PLC0415 - middleware loads before the apps do

        return "\0" not in origin and Channel.objects.filter(origins__contains=[origin]).exists()

    @staticmethod
    def allow(response, origin):
        response["Access-Control-Allow-Origin"] = origin
        response["Access-Control-Expose-Headers"] = EXPOSED

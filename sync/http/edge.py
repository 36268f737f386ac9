"""Middleware at the edge: request ids, size limits, the PATCH override, CORS by channel."""

from http import HTTPStatus

from django.http import HttpResponse
from django.utils.cache import patch_vary_headers

from sync import ids
from sync.http.input import MAX_BODY
from sync.http.problems import Problem, problem_response

MACHINE_PATHS = ("/api/", "/callbacks/")
EXPOSED = "ETag, Retry-After, X-Request-ID, Idempotency-Replayed"
ALLOWED_HEADERS = (
    "Authorization, Content-Type, Idempotency-Key, If-Match, Accept-Language, X-Channel, "
    "X-HTTP-Method-Override, X-Request-ID"
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
    """Bodies up to 1 MiB (files apart), no NUL in paths or queries; POST with the override header is PATCH."""

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        if not request.path.startswith(MACHINE_PATHS):
            return self.get_response(request)
        length = request.META.get("CONTENT_LENGTH") or "0"
        if not (length.isascii() and length.isdigit()):
            return problem_response(Problem("invalid"))
        if int(length) > MAX_BODY and not request.content_type.startswith("multipart/"):
            return problem_response(Problem("too_large"))
        if "\0" in request.path or "%00" in request.META.get("QUERY_STRING", ""):
            return problem_response(Problem("invalid"))
        if request.method == "POST" and request.headers.get("X-HTTP-Method-Override", "").upper() == "PATCH":
            request.method = "PATCH"
        return self.get_response(request)


class Cors:
    """A preflight is answered for the origins of all channels; an answer for those of the request's channel."""

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        origin = request.headers.get("Origin")
        if not origin or not request.path.startswith("/api/"):
            return self.get_response(request)
        if request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers:
            return self.preflight(request, origin)
        response = self.get_response(request)
        channel = getattr(request, "channel", None)
        if channel and origin in channel.origins:
            self.allow(response, origin)
            response["Access-Control-Expose-Headers"] = EXPOSED
        patch_vary_headers(response, ["Origin"])
        return response

    def preflight(self, request, origin):
        from sync.models import Channel  # noqa: PLC0415 - middleware loads before the apps do

        response = HttpResponse(status=HTTPStatus.NO_CONTENT)
        if Channel.objects.filter(is_active=True, origins__contains=[origin]).exists():
            self.allow(response, origin)
            response["Access-Control-Allow-Methods"] = "GET, POST, PUT, PATCH, DELETE"
            response["Access-Control-Allow-Headers"] = ALLOWED_HEADERS
            response["Access-Control-Max-Age"] = "600"
        patch_vary_headers(response, ["Origin"])
        return response

    @staticmethod
    def allow(response, origin):
        response["Access-Control-Allow-Origin"] = origin

"""The contract as OpenAPI 3.1, drawn from the views: who may call, what they send, what comes back."""

from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiParameter

from config import told
from sync import auth
from sync.http import Input
from sync.http.described import HEADER, PROBLEM
from sync.signatures import Signed

ABOUT = """Members, orders and points of a brand, for its websites, mini-programs, apps and their backends.

* JSON in UTF-8. Ids are UUIDs; people read numbers. Times are RFC 3339 in UTC with milliseconds; money is integer fen.
* Every error is `application/problem+json`; its `code` never changes, its texts follow `Accept-Language`.
* `POST` with `X-HTTP-Method-Override: PATCH` is `PATCH`.
* Every `POST` takes an `Idempotency-Key`; answers that hold a token, a code or a ticket are never kept for it.
* Lists are read by `cursor`: follow `next` and `previous`.
* Clients ignore fields, enum values and event types that they do not know.
"""
SCHEMES = {
    auth.CLIENT: {"type": "apiKey", "in": "header", "name": "X-Channel", "description": "A channel's code"},
    auth.MEMBER: {"type": "http", "scheme": "bearer", "description": "A member's access token"},
    auth.BACKEND: {"type": "http", "scheme": "bearer", "description": "A channel's key: hub_sk_…"},
    "signed": {
        "type": "apiKey",
        "in": "header",
        "name": "webhook-signature",
        "description": "Standard Webhooks, by the channel's inbound secret; with X-Channel",
    },
}
KEY = OpenApiParameter(
    "Idempotency-Key",
    {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[ -~]+$"},
    HEADER,
    description="The same key and request again: the same answer, for 24 hours",
)
REPLAYED = OpenApiParameter(
    "Idempotency-Replayed", {"const": "true"}, HEADER, response=[200, 201, 202], description="The answer was kept"
)
REQUEST_ID = {"type": "string", "pattern": "^[A-Za-z0-9._-]{1,128}$"}
TRACE = {"description": "The caller's request id, else a new one", "schema": REQUEST_ID}
RETRY = {"description": "Seconds", "schema": {"type": "integer", "minimum": 0}}
SHARED = {
    "RequestId": {"name": "X-Request-ID", "in": "header", "schema": REQUEST_ID},
    "Language": {
        "name": "Accept-Language",
        "in": "header",
        "description": "For `title`, `detail` and labels; zh-hans unless en is asked for",
        "schema": {"type": "string", "default": "zh-hans"},
    },
}


class Schema(AutoSchema):
    """What each view says of itself, plus what holds for all of them."""

    def get_auth(self):
        if Signed in self.view.authentication_classes:
            return [{auth.CLIENT: [], "signed": []}]
        return [{kind: []} for kind in sorted(getattr(self.view, "callers", ()))]

    def get_tags(self):
        return [type(self.view).__module__.partition(".")[0]]

    def get_operation_id(self):
        return f"{self.method.lower()}_{self.path.removeprefix('/api/v1/')}".translate(
            str.maketrans({"/": "_", "-": "_", "{": "", "}": ""})
        )

    def get_serializer_name(self, serializer, direction):
        name = type(serializer).__name__
        return f"{name.removesuffix('In')}In" if isinstance(serializer, Input) else name.removesuffix("Out")

    def get_override_parameters(self):
        parameters = list(super().get_override_parameters())
        if self.method == "POST" and getattr(self.view, "keeps_answers", False):
            parameters += [KEY, REPLAYED]
        return parameters


def of_the_contract(endpoints):
    """Only what is under /api/v1/: neither the sandbox nor pages for people."""
    return [endpoint for endpoint in endpoints if endpoint[0].startswith("/api/v1/")]


def add_shared_parts(result, generator, request, public):
    """Security schemes, what every request and answer may carry, the problem every operation may answer with."""
    told.describe(result, generator.registry)
    result["info"]["description"] = ABOUT
    components = result["components"]
    components |= {"securitySchemes": SCHEMES, "parameters": SHARED, "headers": {"RequestId": TRACE}}
    content = {PROBLEM: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    problem = {"description": "What went wrong", "content": content, "headers": {"Retry-After": RETRY}}
    components["responses"] = {"Problem": with_trace(problem)}
    for operation in (operation for methods in result["paths"].values() for operation in methods.values()):
        shared = [{"$ref": f"#/components/parameters/{name}"} for name in SHARED]
        operation["parameters"] = operation.get("parameters", []) + shared
        operation["responses"] = {code: with_trace(answer) for code, answer in operation["responses"].items()}
        operation["responses"]["default"] = {"$ref": "#/components/responses/Problem"}
    return without_marks(result)


def with_trace(answer: dict) -> dict:
    """An answer that names the request."""
    traced = {"X-Request-ID": {"$ref": "#/components/headers/RequestId"}}
    return answer | {"headers": answer.get("headers", {}) | traced}


def without_marks(value):
    """The document without the generator's own marks."""
    if isinstance(value, dict):
        return {name: without_marks(inner) for name, inner in value.items() if name != "x-spec-enum-id"}
    return [without_marks(inner) for inner in value] if isinstance(value, list) else value

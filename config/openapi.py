"""The contract as OpenAPI 3.1, drawn from the views: who may call, what they send, what comes back."""

from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiParameter

from sync import auth
from sync.http.problems import CODES

SCHEMES = {
    auth.CLIENT: {"type": "apiKey", "in": "header", "name": "X-Channel", "description": "A channel's code"},
    auth.MEMBER: {"type": "http", "scheme": "bearer", "description": "A member's access token"},
    auth.BACKEND: {"type": "http", "scheme": "bearer", "description": "A channel's key: hub_sk_…"},
}
PROBLEM = {
    "type": "object",
    "description": "RFC 9457",
    "required": ["type", "title", "status", "detail", "code", "errors", "request_id"],
    "properties": {
        "type": {"type": "string", "description": "/problems/<code>"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "code": {"type": "string", "enum": list(CODES)},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["field", "code", "detail"],
                "properties": {name: {"type": "string"} for name in ("field", "code", "detail")},
            },
        },
        "request_id": {"type": "string"},
    },
}


class Schema(AutoSchema):
    """What each view says of itself, plus what holds for all of them."""

    def get_auth(self):
        return [{kind: []} for kind in sorted(getattr(self.view, "callers", ()))]

    def get_tags(self):
        return [type(self.view).__module__.partition(".")[0]]

    def get_operation_id(self):
        return f"{self.method.lower()}_{self.path.removeprefix('/api/v1/')}".translate(
            str.maketrans({"/": "_", "-": "_", "{": "", "}": ""})
        )

    def get_override_parameters(self):
        parameters = list(super().get_override_parameters())
        if self.method == "POST" and getattr(self.view, "keeps_answers", False):
            parameters.append(OpenApiParameter("Idempotency-Key", location=OpenApiParameter.HEADER))
        return parameters


def add_shared_parts(result, generator, request, public):
    """Security schemes, and the problem every operation may answer with."""
    components = result.setdefault("components", {})
    components["securitySchemes"] = SCHEMES
    components.setdefault("schemas", {})["Problem"] = PROBLEM
    content = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    components["responses"] = {"Problem": {"description": "What went wrong", "content": content}}
    for methods in result["paths"].values():
        for operation in methods.values():
            operation["responses"]["default"] = {"$ref": "#/components/responses/Problem"}
    return result

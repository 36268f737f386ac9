"""Errors as RFC 9457 problem documents; the codes are those of the public contract §8."""

import logging

from django.core.exceptions import PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpResponse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from psycopg_pool import PoolTimeout
from rest_framework import exceptions
from rest_framework.renderers import JSONRenderer

from sync.ids import request_id

logger = logging.getLogger(__name__)

CODES = {
    "invalid": (400, _("The request is not valid")),
    "channel_required": (400, _("Name the channel in X-Channel")),
    "channel_unknown": (400, _("There is no such channel")),
    "code_invalid": (400, _("The code is wrong or has expired")),
    "wechat_code_invalid": (400, _("WeChat does not know this code")),
    "amount_mismatch": (400, _("The amounts do not add up")),
    "not_authenticated": (401, _("Sign in first")),
    "token_expired": (401, _("The token has expired")),
    "token_revoked": (401, _("The session has ended")),
    "token_reused": (401, _("The token was used before; the session has ended")),
    "signature_invalid": (401, _("The signature does not verify")),
    "forbidden": (403, _("This is not for you to do")),
    "scope_missing": (403, _("The key lacks the scope")),
    "step_up_required": (403, _("Confirm it is you first")),
    "member_proof_required": (403, _("The member has to be present")),
    "member_frozen": (403, _("The member is frozen")),
    "channel_inactive": (403, _("The channel is switched off")),
    "not_found": (404, _("There is no such thing here")),
    "method_not_allowed": (405, _("The method is not allowed here")),
    "idempotency_key_in_flight": (409, _("The first request with this key is still running")),
    "identity_conflict": (409, _("The identities belong to different members")),
    "last_identity": (409, _("This is the last way in")),
    "external_id_conflict": (409, _("The external id stands for something else")),
    "reference_conflict": (409, _("The reference stands for something else")),
    "points_insufficient": (409, _("There are not enough points")),
    "hold_expired": (409, _("The hold has expired")),
    "order_state": (409, _("The order is not in a state for this")),
    "openid_required": (409, _("Sign in with WeChat in this app first")),
    "payment_in_progress": (409, _("A payment is in progress")),
    "erasure_blocked": (409, _("The account cannot be erased yet")),
    "case_closed": (409, _("The case is closed")),
    "resync_required": (410, _("Read the current state, then go on from the head")),
    "version_conflict": (412, _("It was changed in the meantime")),
    "too_large": (413, _("The request is too large")),
    "unsupported_media_type": (415, _("The media type is not supported")),
    "consent_required": (422, _("Consent is required")),
    "idempotency_key_reused": (422, _("The key was used for another request")),
    "precondition_required": (428, _("Send If-Match with the version you read")),
    "rate_limited": (429, _("Too many requests")),
    "too_many_attempts": (429, _("Too many attempts")),
    "internal": (500, _("Something went wrong on our side")),
    "unavailable": (503, _("Not available at the moment")),
    "wechat_unavailable": (503, _("WeChat does not answer")),
    "timeout": (504, _("It took too long; it is safe to repeat")),
}
MORE_TO_SAY = {
    "amount_mismatch",
    "consent_required",
    "erasure_blocked",
    "points_insufficient",
    "resync_required",
    "version_conflict",
}
BY_STATUS = {
    400: "invalid",
    401: "not_authenticated",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    413: "too_large",
    415: "unsupported_media_type",
    429: "rate_limited",
}
LOCK_TIMEOUT, STATEMENT_TIMEOUT = "55P03", "57014"


class Problem(Exception):
    """An error of the contract: `code` decides status and title; `errors` are (field, code, detail)."""

    def __init__(self, code: str, detail: object = "", *, errors=(), retry_after: int | None = None, **more):
        super().__init__(code)
        self.code, self.detail, self.errors, self.more = code, detail, list(errors), more
        self.retry_after = retry_after

    @property
    def status(self) -> int:
        return CODES[self.code][0]

    @classmethod
    def field(cls, field: str, detail: object, code: str = "invalid") -> "Problem":
        """400 `invalid` about one field."""
        return cls("invalid", errors=[(field, code, detail)])


def problem_response(problem: Problem) -> HttpResponse:
    """The problem as application/problem+json."""
    status, title = CODES[problem.code]
    errors = [{"field": field, "code": code, "detail": str(detail)} for field, code, detail in problem.errors]
    detail = str(problem.detail) or "; ".join(f"{e['field']}: {e['detail']}" for e in errors) or str(title)
    if problem.code == "invalid" and not errors:  # of the request as a whole
        errors = [{"field": "", "code": "invalid", "detail": detail}]
    body = {
        "type": f"/problems/{problem.code}",
        "title": str(title),
        "status": status,
        "detail": detail,
        "code": problem.code,
        "errors": errors,
        "request_id": request_id.get(),
    } | problem.more
    response = HttpResponse(JSONRenderer().render(body), status=status, content_type="application/problem+json")
    if problem.retry_after is not None:
        response["Retry-After"] = str(problem.retry_after)
    if status == 401:
        response["WWW-Authenticate"] = "Bearer"
    return response


def problem_for(error: Exception, context: dict) -> HttpResponse:
    """DRF's exception handler: every error of a view as a problem, never HTML, never a trace."""
    return problem_response(_as_problem(error))


def _as_problem(error: Exception) -> Problem:
    if isinstance(error, Problem):
        return error
    if isinstance(error, Http404):
        return Problem("not_found")
    if isinstance(error, PermissionDenied):
        return Problem("forbidden")
    if isinstance(error, RequestDataTooBig):
        return Problem("too_large")
    if isinstance(error, SuspiciousOperation):
        return Problem("invalid")
    if isinstance(error, exceptions.APIException):
        return _of_framework(error)
    if isinstance(error, OperationalError | InterfaceError | PoolTimeout):
        return _of_database(error)
    logger.error("Unexpected error", exc_info=error)
    return Problem("internal")


def _of_framework(error: exceptions.APIException) -> Problem:
    code = BY_STATUS.get(error.status_code, "internal")
    if isinstance(error, exceptions.ValidationError):
        return Problem("invalid", errors=list(flattened(error.detail)))
    detail = error.detail if isinstance(error.detail, str) else gettext("The request is not valid")
    return Problem(code, detail, retry_after=getattr(error, "wait", None) and int(error.wait) + 1)


def _of_database(error: Exception) -> Problem:
    logger.warning("Database: %s", error)
    if getattr(error.__cause__, "sqlstate", "") == STATEMENT_TIMEOUT:
        return Problem("timeout")
    return Problem("unavailable", retry_after=1)


def flattened(detail, path: str = ""):
    """A serializer's nested errors as (field, code, text): items.0.quantity."""
    if isinstance(detail, dict):
        for name, inner in detail.items():
            here = path if name == "non_field_errors" else f"{path}.{name}".lstrip(".")
            yield from flattened(inner, here)
    elif isinstance(detail, list):
        for position, inner in enumerate(detail):
            nested = isinstance(inner, dict | list)
            yield from flattened(inner, f"{path}.{position}".lstrip(".") if nested else path)
    else:
        yield path, getattr(detail, "code", "invalid"), detail

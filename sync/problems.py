"""Errors outside a view of the contract: problems for machines, Django's own pages for people."""

from django.views import defaults

from sync.http import Problem, problem_response
from sync.http.edge import MACHINE_PATHS


def _machine(request) -> bool:
    return request.path.startswith(MACHINE_PATHS)


def bad_request(request, exception):
    return problem_response(Problem("invalid")) if _machine(request) else defaults.bad_request(request, exception)


def forbidden(request, exception):
    if _machine(request):
        return problem_response(Problem("forbidden"))
    return defaults.permission_denied(request, exception)


def not_found(request, exception):
    if _machine(request):
        return problem_response(Problem("not_found"))
    return defaults.page_not_found(request, exception)


def internal(request):
    return problem_response(Problem("internal")) if _machine(request) else defaults.server_error(request)

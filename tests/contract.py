"""Answers and facts held against the OpenAPI that the hub serves.

The served schemas let clients meet fields they do not know; a test does not: every object must be declared in full.
"""

import re
from functools import cache

from jsonschema import Draft202012Validator, FormatChecker
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from config.contract import document
from config.told import TYPES

METHODS = {"HEAD": "get"}
FORMATS = FormatChecker()
INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
ROOT = "urn:contract"


@FORMATS.checks("date-time")
def is_instant(value) -> bool:
    """RFC 3339 as the contract writes it: UTC, milliseconds."""
    return not isinstance(value, str) or INSTANT.fullmatch(value) is not None


@cache
def operations() -> list[tuple[re.Pattern, str, dict]]:
    """(path pattern, method, operation), fixed paths before those with parameters."""
    paths = sorted(document()["paths"].items(), key=lambda item: item[0].count("{"))
    return [
        (re.compile(re.sub(r"\{[^/]+\}", "[^/]+", path)), method, operation)
        for path, methods in paths
        for method, operation in methods.items()
    ]


@cache
def operation_of(method: str, path: str) -> dict | None:
    """The operation that a request to `path` reaches."""
    method = METHODS.get(method, method.lower())
    return next((op for pattern, m, op in operations() if m == method and pattern.fullmatch(path)), None)


@cache
def registry() -> Registry:
    closed = exact(document())
    del closed["components"]["schemas"]["CloudEvent"]["allOf"]  # tests of the envelope tell what they like
    return Registry().with_resource(ROOT, Resource.from_contents(closed, default_specification=DRAFT202012))


def exact(schema):
    """The same schemas, with references from outside of the document, and no property but those declared."""
    if isinstance(schema, list):
        return [exact(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    found = {k: f"{ROOT}{v}" if k == "$ref" and v[:1] == "#" else exact(v) for k, v in schema.items()}
    if found.get("type") == "object" and isinstance(found.get("properties"), dict):
        found.setdefault("additionalProperties", False)
    return found


@cache
def validator(operation_id: str, status: int) -> Draft202012Validator | None:
    """Of an operation's answer: that of its status, else the problem every operation may give; None: no body."""
    operation = next(op for _pattern, _method, op in operations() if op["operationId"] == operation_id)
    answer = operation["responses"].get(str(status))
    if answer is None:
        assert status >= 400, f"{operation_id} answered an undeclared {status}"
        return checking({"$ref": f"{ROOT}#/components/schemas/Problem"})
    content = next(iter(answer.get("content", {}).values()), None)
    return content and checking(exact(content["schema"]))


def checking(schema: dict) -> Draft202012Validator:
    return Draft202012Validator(schema, registry=registry(), format_checker=FORMATS)


def faults(validator: Draft202012Validator, value) -> list[str]:
    """What is wrong, and where."""
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(value)]


def hold(response, method: str, path: str) -> None:
    """Assert that an answer (Django's or httpx's) is what the contract says of it."""
    assert "X-Request-ID" in response.headers
    operation = operation_of(method.upper(), path)
    if method.upper() in {"HEAD", "OPTIONS"}:
        assert not response.content
    elif operation is None:
        assert response.status_code in {404, 405}, f"{method} {path} is not in the contract"
        assert faults(checking({"$ref": f"{ROOT}#/components/schemas/Problem"}), response.json()) == []
    else:
        hold_body(response, operation)


def hold_body(response, operation: dict) -> None:
    """Assert that the body and the headers are those declared for its status."""
    check = validator(operation["operationId"], response.status_code)
    if check is None:
        assert not response.content, f"{operation['operationId']} answered a body that is not declared"
        return
    assert faults(check, response.json()) == [], f"{operation['operationId']} {response.status_code}"
    is_problem = response.status_code >= 400
    kind = "application/problem+json" if is_problem else "application/json"
    assert response.headers["Content-Type"] == kind
    declared = operation["responses"].get(str(response.status_code), {}).get("headers", {})
    assert is_problem or "ETag" not in declared or response.headers["ETag"].startswith('"')


@cache
def event_validator() -> Draft202012Validator:
    return checking(exact(document()["components"]["schemas"]["CloudEvent"]))


def hold_event(event: dict) -> dict:
    """Assert that an event, however it came, is a CloudEvent of a type of the contract; returns it."""
    assert event["type"] in TYPES
    assert faults(event_validator(), event) == [], event["type"]
    return event

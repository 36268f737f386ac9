"""Answers held against the OpenAPI that the hub serves."""

import re
from functools import cache

from drf_spectacular.generators import SchemaGenerator
from jsonschema import Draft202012Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012


@cache
def served() -> dict:
    """The schema as `/api/v1/schema` serves it."""
    return SchemaGenerator().get_schema(request=None, public=True)


@cache
def operations() -> list[tuple[re.Pattern, str, dict]]:
    """(path pattern, method, operation), fixed paths before those with parameters."""
    paths = sorted(served()["paths"].items(), key=lambda item: item[0].count("{"))
    return [
        (re.compile(re.sub(r"\{[^/]+\}", "[^/]+", path)), method, operation)
        for path, methods in paths
        for method, operation in methods.items()
    ]


def operation_of(method: str, path: str) -> dict | None:
    """The operation that a request to `path` reaches."""
    return next((op for pattern, m, op in operations() if m == method and pattern.fullmatch(path)), None)


@cache
def registry() -> Registry:
    return Registry().with_resource("urn:contract", Resource.from_contents(served(), default_specification=DRAFT202012))


def schema_of(operation: dict, status: int) -> dict | None:
    """The JSON schema of an answer: that of its status, else the problem every operation may give."""
    answer = operation["responses"].get(str(status))
    if answer is None:
        assert status >= 400, f"{operation['operationId']} answered an undeclared {status}"
        return {"$ref": "urn:contract#/components/schemas/Problem"}
    content = next(iter(answer.get("content", {}).values()), None)
    return content and absolute(content["schema"])


def absolute(schema):
    """References of the document, from outside of it."""
    if isinstance(schema, dict):
        return {k: f"urn:contract{v}" if k == "$ref" and v[:1] == "#" else absolute(v) for k, v in schema.items()}
    return [absolute(item) for item in schema] if isinstance(schema, list) else schema


def hold(response, method: str, path: str) -> None:
    """Assert that an answer is what the contract says of it."""
    operation = operation_of(method.lower(), path)
    if operation is None:
        assert response.status_code in {404, 405}, f"{method} {path} is not in the contract"
        return
    schema = schema_of(operation, response.status_code)
    if schema is None:
        assert not response.content, f"{method} {path} answered a body that is not declared"
        return
    errors = [error.message for error in Draft202012Validator(schema, registry=registry()).iter_errors(response.json())]
    assert errors == [], f"{method} {path} {response.status_code}"

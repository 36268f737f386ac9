"""The contract as it is served: whole, valid, and saying of every endpoint who may call it."""

import json

import pytest
from django.test import Client
from django.urls import get_resolver
from drf_spectacular.drainage import GENERATOR_STATS, reset_generator_stats
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.validation import validate_schema

from config import titles, told
from sync import auth
from sync.http.problems import CODES, MORE_TO_SAY
from sync.views import ApiView

SERVED = {"/api/v1/schema", "/api/v1/docs"}


def routes(resolver=None, before="/"):
    """(path, view class) of all under /api/v1/, in the words of OpenAPI."""
    for entry in (resolver or get_resolver()).url_patterns:
        path = before + str(entry.pattern)
        if hasattr(entry, "url_patterns"):
            yield from routes(entry, path)
        elif path.startswith("/api/v1/") and path not in SERVED:
            for converter in ("uuid", "str", "int", "slug"):
                path = path.replace(f"<{converter}:", "<")
            yield path.replace("<", "{").replace(">", "}"), entry.callback.cls


@pytest.fixture(scope="module")
def document():
    return json.loads(Client().get("/api/v1/schema").content)


def operations(document):
    return [(path, method, op) for path, methods in document["paths"].items() for method, op in methods.items()]


def test_it_is_valid_openapi_3_1(document):
    assert document["openapi"].startswith("3.1")
    validate_schema(document)


def test_it_is_drawn_without_a_warning():
    reset_generator_stats()
    SchemaGenerator().get_schema(request=None, public=True)
    assert list(GENERATOR_STATS._warn_cache) + list(GENERATOR_STATS._error_cache) == []


def test_every_route_is_in_it_and_nothing_else(document):
    found = {(path, method) for path, view in routes() for method in methods_of(view)}
    assert {(path, method) for path, method, _op in operations(document)} == found


def methods_of(view) -> set[str]:
    return {name for name in ("get", "post", "put", "patch", "delete") if hasattr(view, name)}


def test_every_view_is_made_of_ours_and_says_whom_it_serves(document):
    for path, view in routes():
        assert issubclass(view, ApiView), path
        for method in methods_of(view):
            security = document["paths"][path][method].get("security", [])
            kinds = [set(either) for either in security]
            expected = [{auth.CLIENT, "signed"}] if path.endswith("/inbox") else [{k} for k in sorted(view.callers)]
            assert kinds == expected, (path, method)
            assert kinds or path == "/api/v1/auth/refresh"


def test_every_operation_says_what_it_takes_and_gives(document):
    for path, method, operation in operations(document):
        codes = set(operation["responses"])
        assert codes & {"200", "201", "202", "204"}, (path, method)
        assert "default" in codes
        if method == "delete":
            assert codes & {"204"} or "/shipments/" in path, path  # a parcel taken back answers with its order
        for code, answer in operation["responses"].items():
            assert code in {"204", "default"} or answer["content"], (path, method, code)


def test_operations_have_names_of_their_own(document):
    names = [operation["operationId"] for _path, _method, operation in operations(document)]
    assert len(names) == len(set(names))


def test_every_problem_code_of_the_contract_is_in_it(document):
    schemas = document["components"]["schemas"]
    said = {
        code for schema in schemas.values() for code in schema.get("properties", {}).get("code", {}).get("enum", ())
    }
    assert said == set(CODES)
    assert set(schemas["Problem"]["properties"]["code"]["enum"]) == set(CODES) - MORE_TO_SAY


def test_every_event_type_has_its_shape(document):
    assert sorted(told.TYPES) == sorted(titles.TYPES)
    described = [name for rule in document["components"]["schemas"]["CloudEvent"]["allOf"] for name in types_of(rule)]
    assert sorted(described) == sorted(titles.TYPES)


def types_of(rule: dict) -> list[str]:
    return rule["if"]["properties"]["type"]["enum"]


def test_it_is_served_to_anybody_as_json():
    for accept in ("", "*/*", "application/json", "text/html", "application/vnd.oai.openapi+json", "nonsense"):
        answer = Client().get("/api/v1/schema", headers={"Accept": accept})
        assert answer.status_code == 200, accept
        assert answer["Content-Type"] in {"application/json", "application/vnd.oai.openapi+json"}
        assert json.loads(answer.content)["info"]["title"]
    assert Client().post("/api/v1/schema").json()["code"] == "method_not_allowed"

"""The house's measures: small functions, short files, plain names, floors that know only what lies beneath."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FLOORS = ["config", "orders", "loyalty", "members", "sync"]
SOURCES = sorted(
    path
    for folder in [*FLOORS, "tests"]
    for path in (ROOT / folder).rglob("*.py")
    if "migrations" not in path.parts and path.name != "settings.py"
)
REFUSED_NAMES = {"utils", "common", "helpers", "core", "base", "mixins", "managers", "exceptions", "signals"}
REFUSED_SUFFIX = re.compile(r"(Service|Manager|Helper|Util|Utils|Handler)$")


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


def definitions(kinds):
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, kinds):
                yield path, node


@pytest.mark.parametrize("path", SOURCES, ids=named)
def test_a_file_is_about_one_subject(path):
    assert len(path.read_text("utf-8").splitlines()) <= (400 if path.is_relative_to(ROOT / "tests") else 300)


def test_a_function_fits_on_one_screen():
    long = [
        f"{named(path)}:{node.lineno} {node.name}"
        for path, node in definitions((ast.FunctionDef, ast.AsyncFunctionDef))
        if node.end_lineno - node.lineno + 1 > 50
    ]
    assert long == []


def test_half_of_all_functions_have_at_most_eight_lines():
    sizes = sorted(
        node.end_lineno - node.body[0].lineno + 1
        for path, node in definitions((ast.FunctionDef, ast.AsyncFunctionDef))
        if not path.is_relative_to(ROOT / "tests")
    )
    assert sizes[len(sizes) // 2] <= 8


def test_names_say_what_a_thing_is():
    assert [named(path) for path in SOURCES if path.stem in REFUSED_NAMES] == []
    assert [f"{named(p)} {n.name}" for p, n in definitions(ast.ClassDef) if REFUSED_SUFFIX.search(n.name)] == []


def test_the_top_level_holds_what_the_design_names():
    shown = {path.name for path in ROOT.iterdir() if not path.name.startswith(".")}
    assert shown - {"__pycache__"} <= {
        *FLOORS,
        *{"manage.py", "Makefile", "requirements.txt", "pyproject.toml", "README.md", "LICENSE", "Dockerfile"},
        *{"compose.yaml", "templates", "tests", "docs"},
    }

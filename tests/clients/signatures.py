"""What the clients' methods take, call and give: read from the JavaScript, from its types, and from the contract."""

import re
from dataclasses import dataclass

from config.contract import document
from tests.clients.twins import BROWSER, TYPES
from tests.clients.typed import kind

CLASS = re.compile(r"^(?:export )?class HubClient .*?^}", re.MULTILINE | re.DOTALL)
METHOD = re.compile(r"^  (?:async )?([a-z]\w*)\((.*?)\) \{\n(.*?)^  \}", re.MULTILINE | re.DOTALL)
COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
PATH = r'("[^"]*"(?: \+ [\w()]+(?: \+ "[^"]*")?)*)'
CALLS = {
    re.compile(r'this\.(?:request|_call|_replace)\("([A-Z]+)", ' + PATH): lambda found: (found[1], found[2]),
    re.compile(r"this\._signIn\(" + PATH): lambda found: ("POST", found[1]),
    re.compile(r"new CursorList\(this, " + PATH): lambda found: ("GET", found[1]),
}
LITERAL = re.compile(r"(?:body: |keyed\(|_signIn\(\S+ |_replace\(\S+ \S+ |const body = )\{(.*?)\}", re.DOTALL)
PASSED = re.compile(r"(?:body: |keyed\(|_replace\([^,]+, [^,]+, )([a-z]\w*)[,)} ]")


@dataclass(frozen=True)
class Declared:
    """A method as the types declare it: names of what it takes, each with its type; what it gives."""

    takes: dict[str, str]
    gives: str


def written() -> dict[str, tuple[list[str], str]]:
    """The methods in JavaScript: their parameters' names, their body."""
    methods = METHOD.findall(CLASS.search(BROWSER.read_text("utf-8")).group())
    named = [(name, takes.split(", ") if takes else [], does) for name, takes, does in methods]
    return {name: (takes, does) for name, takes, does in named if name != "constructor"}


def declared() -> dict[str, list[Declared]]:
    """The methods in the types, each with its overloads."""
    body = COMMENT.sub("", CLASS.search(TYPES.read_text("utf-8")).group()).partition("{")[2]
    found: dict[str, list[Declared]] = {}
    for statement in apart(body, ";"):
        if told := re.match(r"([a-z]\w*)(?:<.*?>)?\((.*)\): (.+)$", " ".join(statement.split())):
            pairs = [each.partition(":") for each in apart(told[2], ",") if each.strip()]
            takes = {name.strip(" ?"): type.strip() for name, _colon, type in pairs}
            found.setdefault(told[1], []).append(Declared(takes, told[3]))
    return found


def apart(text: str, mark: str) -> list[str]:
    """The text at its marks, but for those within brackets."""
    found, depth = [""], 0
    for at, letter in enumerate(text):
        depth += (letter in "([{<") - (letter in ")]}" or (letter == ">" and text[at - 1] != "="))
        if letter == mark and depth == 0:
            found.append("")
        else:
            found[-1] += letter
    return found


def operation(does: str) -> dict | None:
    """The operation of the contract that a method's body calls; None where it calls none of its own."""
    for pattern, told in CALLS.items():
        if found := pattern.search(does):
            method, path = told(found)
            path = re.sub(r' \+ [\w()]+(?: \+ )?|"', lambda part: "{}" if "+" in part[0] else "", path)
            return served()[method, f"/api/v1/{path}"]
    return None


def served() -> dict[tuple[str, str], dict]:
    """The operations of the contract by method and path, its parameters without names."""
    paths = [(re.sub(r"\{\w+\}", "{}", at), methods) for at, methods in document()["paths"].items()]
    return {(method.upper(), at): of for at, methods in paths for method, of in methods.items()}


def parameters(method: str, path: str) -> list[dict]:
    """What an operation takes beside its body."""
    shared = document()["components"]["parameters"]
    found = served()[method, path]["parameters"]
    return [shared[each["$ref"].rpartition("/")[2]] if "$ref" in each else each for each in found]


def schema_of(schema: dict) -> dict:
    """The same, or what it refers to."""
    name = kind(schema)
    return document()["components"]["schemas"].get(name, schema)


def given(operation: dict) -> str:
    """What an operation answers when it succeeds, as a type."""
    answer = next(of for status, of in sorted(operation["responses"].items()) if status.startswith("2"))
    if "content" not in answer:
        return "Promise<null>"
    schema = answer["content"]["application/json"]["schema"]
    fields = schema_of(schema)["properties"]
    if "next" in fields:
        return f"CursorList<{kind(fields['results']['items'])}>"
    only_results = set(fields) == {"results"}
    return f"Promise<{{ results: {kind(fields['results'])} }}>" if only_results else f"Promise<{kind(schema)}>"


def taken(operation: dict) -> dict:
    """The schema of what an operation takes; empty where it takes nothing."""
    content = operation.get("requestBody", {}).get("content", {})
    return content.get("application/json", {}).get("schema", {})


def sent(does: str) -> set[str]:
    """The fields that a method writes into its body by name."""
    found = LITERAL.search(does)
    return {each.partition(":")[0].strip() for each in apart(found[1], ",")} - {""} if found else set()


def passed(does: str) -> str | None:
    """The parameter that a method sends as its body, as it is."""
    found = PASSED.search(does)
    return found[1] if found and found[1] not in {"undefined", "body"} else None

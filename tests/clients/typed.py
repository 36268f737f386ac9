"""What the hub takes and answers, as types: written from the OpenAPI that it serves.

`python -m tests.clients.typed` writes them into `hub-client.d.ts`, between two marks.
"""

import textwrap

from tests.clients.twins import TYPES

BEGIN, END = "// --- of the contract that the hub serves", "// --- the client"
ROOTS = [
    "ConsentIn",
    "OwnAddressIn",
    "ProfileIn",
    "MyRefundIn",
    "Session",
    "Sent",
    "Begun",
    "OfferedPolicy",
    "SteppedUp",
    "SignedIn",
    "Address",
    "Consent",
    "ExportAsked",
    "Export",
    "Erasure",
    "Order",
    "Payment",
    "Points",
    "Entry",
    "Refund",
    "MemberCode",
    "NoticeTemplate",
    "NoticeAnswer",
]
PLAIN = {"string": "string", "integer": "number", "number": "number", "boolean": "boolean", "null": "null"}
WIDTH = 118


def written(document: dict) -> str:
    """All that member clients meet: the roots, the data of events, and what those hold."""
    schemas = document["components"]["schemas"]
    told = [(each["if"]["properties"]["type"]["enum"], each["then"]) for each in schemas["CloudEvent"]["allOf"]]
    told = [(types, data["properties"]["data"]["$ref"].rpartition("/")[2]) for types, data in told]
    names = reached([*ROOTS, *(data for _types, data in told)], schemas)
    return "\n".join([*(interface(name, schemas[name]) for name in names), events(told), ""])


def reached(roots: list[str], schemas: dict) -> list[str]:
    """These schemas and those they refer to, each once, in order."""
    found = []
    for name in roots:
        if name not in found:
            found.append(name)
            found += [each for each in reached(references(schemas[name]), schemas) if each not in found]
    return found


def references(schema) -> list[str]:
    if isinstance(schema, list):
        return [name for each in schema for name in references(each)]
    if not isinstance(schema, dict):
        return []
    own = [schema["$ref"].rpartition("/")[2]] if "$ref" in schema else []
    return own + [name for each in schema.values() for name in references(each)]


def interface(name: str, schema: dict) -> str:
    lines = [f"export interface {name} {{"]
    for field, inner in schema["properties"].items():
        mark = "" if field in schema.get("required", ()) else "?"
        lines += wrapped(f"  {field}{mark}: {kind(inner)};")
    return "\n".join([*lines, "}", ""])


def wrapped(line: str) -> list[str]:
    return textwrap.wrap(line, WIDTH, subsequent_indent="    ", break_long_words=False, break_on_hyphens=False)


def kind(schema: dict) -> str:
    """The type of a value."""
    if "$ref" in schema:
        return schema["$ref"].rpartition("/")[2]
    for several in ("oneOf", "anyOf", "allOf"):
        if several in schema:
            return " | ".join(dict.fromkeys(kind(each) for each in schema[several]))
    if "enum" in schema or "const" in schema:
        return choice(schema.get("enum", [schema.get("const")]))
    types = schema["type"] if isinstance(schema.get("type"), list) else [schema.get("type")]
    return " | ".join(one(each, schema) for each in types)


def choice(values: list) -> str:
    """Values of an enumeration; more of them may come, unless they are numbers or there is but one."""
    names = " | ".join(
        f'"{value}"' if isinstance(value, str) else str(value).replace("None", "null") for value in values
    )
    return f"Known<{names}>" if len(values) > 1 and isinstance(values[0], str) else names


def one(name: str | None, schema: dict) -> str:
    if name == "array":
        inner = kind(schema["items"])
        return f"({inner})[]" if " " in inner else f"{inner}[]"
    if name == "string" and schema.get("format") == "date-time":
        return "Instant"
    return PLAIN.get(name, "Record<string, any>")


def events(told: list[tuple[list[str], str]]) -> str:
    """The event types with what each tells."""
    lines = ["export type HubEvent ="]
    for types, data in told:
        names = " | ".join(f'"{name}"' for name in types)
        lines += wrapped(f"  | CloudEvent<{names}, {data}>")
    return "\n".join(lines) + ";\n"


def shown() -> str:
    """What stands in the file now."""
    text = TYPES.read_text("utf-8")
    return text[text.index("\n", text.index(BEGIN)) + 2 : text.index(END)]


def main() -> None:
    """Write them."""
    import django  # noqa: PLC0415 - only as a command

    django.setup()
    from config.contract import document  # noqa: PLC0415 - after the setup

    TYPES.write_text(TYPES.read_text("utf-8").replace(shown(), written(document())), "utf-8")


if __name__ == "__main__":
    main()

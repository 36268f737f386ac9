"""Every method is declared as it is: what it takes, what it sends, what the contract answers. No compiler is needed."""

import re

import pytest

from tests.clients import signatures
from tests.clients.signatures import operation, parameters, schema_of, served, taken
from tests.clients.twins import TYPES

WRITTEN, DECLARED = signatures.written(), signatures.declared()
OF_ITS_OWN = {"on", "signOut", "events", "request"}  # these give something else than one operation answers
every_call = pytest.mark.parametrize("name", sorted(WRITTEN.keys() - OF_ITS_OWN))


@pytest.mark.parametrize("name", sorted(WRITTEN))
def test_it_takes_what_is_declared(name):
    longest = max(DECLARED[name], key=lambda each: len(each.takes))
    assert list(longest.takes) == WRITTEN[name][0]


@every_call
def test_it_gives_what_the_contract_answers(name):
    promised = signatures.given(operation(WRITTEN[name][1]))
    assert {each.gives for each in DECLARED[name]} == {promised}


@every_call
def test_it_sends_what_the_contract_takes(name):
    does = WRITTEN[name][1]
    schema = taken(operation(does))
    whole, fields = signatures.passed(does), signatures.sent(does)
    known = schema_of(schema)
    if whole:
        (type,) = {each.takes[whole] for each in DECLARED[name]}
        if type != "LinkProof":  # below
            assert interface(type.removeprefix("Partial<").strip(">")) == known["properties"].keys()
            assert type.startswith("Partial<") == (not known.get("required"))
    else:
        assert set(known.get("required", ())) <= fields <= known.get("properties", {}).keys()


def interface(name: str) -> set[str]:
    """The fields of an interface."""
    body = re.search(rf"^export interface {name} .*?\{{(.*?)^}}", TYPES.read_text("utf-8"), re.MULTILINE | re.DOTALL)[1]
    return set(re.findall(r"^  (\w+)\??:", body, re.MULTILINE))


@pytest.mark.parametrize(
    ("path", "query"), [("me/orders", {"PageQuery", "OrderQuery"}), ("me/points/entries", {"PageQuery"})]
)
def test_a_list_is_asked_for_what_the_contract_knows(path, query):
    known = {each["name"] for each in parameters("GET", f"/api/v1/{path}") if each["in"] == "query"}
    assert set().union(*map(interface, query)) | {"cursor"} == known


def test_a_proof_has_the_fields_of_the_contract():
    proofs = re.search(r"export type LinkProof =(.*?);\n\n", TYPES.read_text("utf-8"), re.DOTALL)[1]
    fields = schema_of(taken(served()["POST", "/api/v1/link-cases/{}/proofs"]))["properties"]
    assert set(re.findall(r"(\w+):", proofs)) == set(fields)
    assert set(re.findall(r'kind: "(\w+)"', proofs)) == set(fields["kind"]["enum"])


@pytest.mark.parametrize(
    ("path", "field", "text"),
    [
        ("me/orders/{}/payments", "method", r"type PaymentMethod = ([^;]+);"),
        ("me/notices", "result", r"result: ([^,]+),"),
    ],
)
def test_a_choice_is_the_contracts(path, field, text):
    offered = re.findall(r'"(\w+)"', re.search(text, TYPES.read_text("utf-8"))[1])
    assert offered == schema_of(taken(served()["POST", f"/api/v1/{path}"]))["properties"][field]["enum"]

"""Reads the examples of a guide and runs them, one after the other, as one story.

A block ```http is a request, or the answer to the one before it when it begins with HTTP/1.1. `{name}` stands for what
an earlier answer said, or for what the test knows (a key, a code that was sent, a signature). In answers "…" stands for
anything, and `"…": "…"` for further fields.
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass

from tests import make

BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
NAME = re.compile(r"\{([a-z_0-9]+)\}")
ANYTHING = "…"


@dataclass
class Part:
    """A request or an answer as it is written: its first line, its headers, its body."""

    line: str
    first: str
    headers: dict[str, str]
    body: str


def blocks(text: str, kind: str) -> list[str]:
    """The contents of a guide's fenced blocks of a kind."""
    return [content for name, content in BLOCK.findall(text) if name == kind]


def exchanges(text: str) -> list[tuple[Part, Part]]:
    """The requests of a guide, each with the answer that follows it."""
    parts = [part(each) for each in blocks(text, "http")]
    asked, answered = parts[::2], parts[1::2]
    assert not [each.line for each in asked if each.first.startswith("HTTP/")]
    assert not [each.line for each in answered if not each.first.startswith("HTTP/")]
    return list(zip(asked, answered, strict=True))


def part(block: str) -> Part:
    head, _blank, body = block.partition("\n\n")
    first, *headers = head.strip().splitlines()
    return Part(first, first, dict(line.split(": ", 1) for line in headers), body.strip())


class Story:
    """What is known so far; `known` gives what no answer says: a value, or a callable of the request's body."""

    def __init__(self, known: dict[str, str | Callable[[str], str]]):
        self.known, self.http = known, make.Http(raise_request_exception=False)

    def filled(self, text: str, body: str = "") -> str:
        """The text with every name replaced by what it stands for."""

        def value(found):
            meant = self.known[found[1]]
            return meant(body) if callable(meant) else meant

        return NAME.sub(value, text)

    def ask(self, asked: Part):
        """Send a request; the answer."""
        method, path = asked.first.split()
        body = self.filled(asked.body)
        headers = {name: self.filled(value, body) for name, value in asked.headers.items()}
        kind = headers.pop("Content-Type", "application/json")
        return self.http.generic(method, self.filled(path), body, kind if body else "", headers=headers)

    def run(self, asked: Part, expected: Part) -> None:
        """Send a request and hold the answer against what the guide says of it."""
        answer = self.ask(asked)
        told = answer.content.decode()
        assert answer.status_code == int(expected.first.split()[1]), f"{asked.first}: {answer.status_code} {told}"
        for name, value in expected.headers.items():
            assert self.is_like(value, answer.headers.get(name)), f"{asked.first}: {name} is {answer.headers.get(name)}"
        if expected.body:
            self.hold(json.loads(expected.body), json.loads(told), asked.first)

    def hold(self, said, found, place: str) -> None:
        """What is said is found; fields that are not named may be more."""
        if isinstance(said, dict):
            assert isinstance(found, dict), f"{place}: {found}"
            missing = {name for name in said if name != ANYTHING} - found.keys()
            assert not missing, f"{place}: {missing} is missing in {found}"
            for name in said.keys() - {ANYTHING}:
                self.hold(said[name], found[name], f"{place} › {name}")
        elif isinstance(said, list):
            assert isinstance(found, list), f"{place}: {found}"
            assert len(said) == len(found), f"{place}: {found}"
            for number, (one, other) in enumerate(zip(said, found, strict=True)):
                self.hold(one, other, f"{place} › {number}")
        else:
            assert self.is_like(said, found), f"{place}: {found} is not {said}"

    def is_like(self, said, found) -> bool:
        """Equal, or anything where anything may stand; a name that is not known yet is known from now on."""
        if said == ANYTHING:
            return found is not None
        if isinstance(said, str) and (named := NAME.fullmatch(said)):
            return self.known.setdefault(named[1], found) == found
        return found == (self.filled(said) if isinstance(said, str) else said)

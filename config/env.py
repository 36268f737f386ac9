"""Settings from the environment: a small reader that names everything missing or malformed at once."""

import base64
import os
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured

TRUE, FALSE = {"1", "true", "yes", "on"}, {"", "0", "false", "no", "off"}


def read_dotenv(path: Path) -> dict[str, str]:
    """Lines KEY=VALUE of a .env file; comments, blanks and quotes around a value are dropped."""
    if not path.is_file():
        return {}
    pairs = (line.split("=", 1) for line in path.read_text("utf-8").splitlines() if "=" in line and line[:1] != "#")
    return {key.removeprefix("export ").strip(): value.strip().strip("\"'") for key, value in pairs}


class Env:
    """Reads variables, collects every problem, and raises them together in `finish`."""

    def __init__(self, dotenv: Path):
        self.values = read_dotenv(dotenv) | dict(os.environ)
        self.problems: list[str] = []

    def text(self, name: str, default: str | None = None, *, choices: set[str] | None = None) -> str:
        """A string; missing without a default is a problem."""
        value = self.values.get(name) or default
        if value is None:
            self.problems.append(f"{name} is missing")
            return ""
        if choices and value not in choices:
            self.problems.append(f"{name} must be one of {', '.join(sorted(choices))}")
        return value

    def flag(self, name: str, default: bool = False) -> bool:
        """1/true/yes/on or 0/false/no/off."""
        value = self.values.get(name, "1" if default else "0").strip().lower()
        if value not in TRUE | FALSE:
            self.problems.append(f"{name} must be 1 or 0")
        return value in TRUE

    def number(self, name: str, default: int) -> int:
        """A whole number."""
        value = self.values.get(name) or str(default)
        if not value.isascii() or not value.isdigit():
            self.problems.append(f"{name} must be a whole number")
            return default
        return int(value)

    def items(self, name: str, default: str = "") -> list[str]:
        """A comma-separated list."""
        return [item.strip() for item in (self.values.get(name) or default).split(",") if item.strip()]

    def key(self, name: str, default: str | None = None) -> bytes:
        """A 32-byte key in base64."""
        return self._decoded(name, self.text(name, default))

    def keys(self, name: str, default: str | None = None) -> dict[int, bytes]:
        """Numbered 32-byte keys, `1:base64,2:base64`; the first is the current one."""
        found = {}
        for item in self.text(name, default).split(","):
            number, _, encoded = item.strip().partition(":")
            if number.isdigit() and 0 < int(number) < 256:
                found[int(number)] = self._decoded(name, encoded)
            elif item:
                self.problems.append(f"{name} must look like 1:<base64>,2:<base64>")
        return found

    def database(self, name: str, default: str | None = None) -> dict:
        """A Django database from postgresql://user:password@host:port/name?host=/socket/folder."""
        url = urlsplit(self.text(name, default))
        if url.scheme not in {"postgres", "postgresql"} or len(url.path) < 2:
            self.problems.append(f"{name} must look like postgresql://user:password@host:5432/name")
        query = dict(parse_qsl(url.query))
        try:
            port = url.port
        except ValueError:
            self.problems.append(f"{name} has a malformed port")
            port = None
        return {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": unquote(url.path[1:]),
            "USER": unquote(url.username or ""),
            "PASSWORD": unquote(url.password or ""),
            "HOST": query.pop("host", None) or unquote(url.hostname or ""),
            "PORT": query.pop("port", None) or str(port or ""),
            "OPTIONS": query,
        }

    def refuse(self, condition: object, problem: str) -> None:
        """Add a problem of the settings as a whole."""
        if condition:
            self.problems.append(problem)

    def finish(self) -> None:
        """Raise ImproperlyConfigured naming every problem, if there is one."""
        if self.problems:
            raise ImproperlyConfigured("The hub cannot start:\n  " + "\n  ".join(dict.fromkeys(self.problems)))

    def _decoded(self, name: str, encoded: str) -> bytes:
        try:
            key = base64.b64decode(encoded, validate=True)
        except ValueError:
            key = b""
        if encoded and len(key) != 32:
            self.problems.append(f"{name} must be 32 bytes in base64")
        return key

"""The texts that members of the sandbox agree to: real pages, in Chinese and English."""

import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from django.conf import settings

TEXTS = Path(__file__).parent / "texts"
VERSION = "1"
REQUIRED = {"terms": True, "privacy": True, "marketing": False}
LOCALES = ("zh-hans", "en")


@dataclass(frozen=True)
class PolicyText:
    """A policy as it is read: the first line of its file is the title."""

    purpose: str
    locale: str
    title: str
    text: str

    @property
    def digest(self) -> str:
        return hashlib.sha256(f"{self.title}\n{self.text}".encode()).hexdigest()

    @property
    def url(self) -> str:
        return f"{settings.PUBLIC_URL}/sandbox/policies/{self.purpose}/{VERSION}/{self.locale}"


@cache
def find(purpose: str, version: str, locale: str) -> PolicyText | None:
    """One policy's text; None when there is none like it."""
    if purpose not in REQUIRED or version != VERSION or locale not in LOCALES:
        return None
    title, _line, text = (TEXTS / f"{purpose}.{locale}.txt").read_text("utf-8").partition("\n")
    return PolicyText(purpose, locale, title, text.strip())


def everyone() -> list[PolicyText]:
    """Every text of the current version."""
    return [find(purpose, VERSION, locale) for purpose in REQUIRED for locale in LOCALES]

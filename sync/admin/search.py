"""Search by kind: what was typed decides which index is asked; never a scan over text, never an OR over joins."""

import logging
import re
from collections.abc import Callable
from uuid import UUID

from sync.secret import InvalidPhone, blind_index, phone

logger = logging.getLogger(__name__)
LONGEST = 100

Search = Callable[[object, str], object]  # (queryset, text) → queryset, or None: not of my kind


def found(queryset, searches: list[Search], text: str):
    """The rows that the first search whose kind the text is finds; none when it is of no kind."""
    text = text.strip()[:LONGEST]
    for search in searches:
        if (rows := search(queryset, text)) is not None:
            return rows
    return queryset.none()


def is_phone(text: str) -> bool:
    """Whether it is a whole mobile number."""
    try:
        return bool(phone(text.strip()[:LONGEST]))
    except InvalidPhone:
        return False


def by_phone(path: str) -> Search:
    """A whole mobile number, by blind index."""

    def search(queryset, text):
        try:
            number = phone(text)
        except InvalidPhone:
            return None
        logger.info("Staff searched %s by phone", queryset.model.__name__)
        return queryset.filter(**{path: blind_index("phone", number)})

    return search


def by_pattern(pattern: str, *paths: str) -> Search:
    """Text of a certain look equals a column, or the first of several that has it."""
    looks = re.compile(pattern)

    def search(queryset, text):
        if not looks.fullmatch(text):
            return None
        return next((rows for path in paths if (rows := queryset.filter(**{path: text})).exists()), queryset.none())

    return search


def by_last_four(path: str) -> Search:
    """The last four digits of a phone."""
    return by_pattern(r"[0-9]{4}", path)


def by_number(prefix: str, path: str) -> Search:
    """A number that people read, whole: M… of a member, D… of an order."""

    def search(queryset, text):
        return queryset.filter(**{path: text.upper()}) if re.fullmatch(rf"(?i){prefix}[0-9]{{9,19}}", text) else None

    return search


def by_id(*paths: str) -> Search:
    """A UUID, in the first of several columns that has it."""

    def search(queryset, text):
        try:
            key = UUID(text)
        except ValueError:
            return None
        return next((rows for path in paths if (rows := queryset.filter(**{path: key})).exists()), queryset.none())

    return search


def by_prefix(path: str) -> Search:
    """How a name begins."""
    return lambda queryset, text: queryset.filter(**{f"{path}__startswith": text}) if text else None


def exactly(*paths: str) -> Search:
    """Any text, as the whole value of a column, or of the first of several that has it."""
    return by_pattern(r"(?s).+", *paths)

"""Cursor lists: keyset pages that cost the same at any depth and survive inserts."""

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlencode

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db.models import Model, Q, QuerySet
from django.utils.translation import gettext_lazy as _
from rest_framework.request import Request

from sync.http.input import Encoder
from sync.http.problems import Problem

DEFAULT, MAX = 20, 100
MALFORMED = _("Send a cursor as you were given it")


def page_size(request: Request) -> int:
    """`limit`: 1 to 100, 20 by default; anything else is 400."""
    given = request.query_params.get("limit", str(DEFAULT))
    if not (given.isascii() and given.isdigit() and len(given) < 5 and 1 <= int(given) <= MAX):
        raise Problem.field("limit", _("A whole number from 1 to 100"))
    return int(given)


def read_cursor(request: Request) -> tuple[bool, list] | None:
    """What `cursor` says: (backwards?, key values of the row it stands at); None without one."""
    given = request.query_params.get("cursor")
    if given is None:
        return None
    try:
        padded = given + "=" * (-len(given) % 4)
        backwards, key = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
        if not isinstance(backwards, bool) or not isinstance(key, list):
            raise ValueError
        if not all(isinstance(value, str | int) and not isinstance(value, bool) for value in key):
            raise ValueError
    except (ValueError, TypeError, RecursionError) as error:
        raise Problem.field("cursor", MALFORMED) from error
    return backwards, key


def write_cursor(backwards: bool, key: list) -> str:
    """An opaque cursor."""
    raw = json.dumps([backwards, key], cls=Encoder, separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def link(request: Request, cursor: str | None) -> str | None:
    """The same list at another cursor, built from PUBLIC_URL."""
    if cursor is None:
        return None
    query = request.query_params.dict() | {"cursor": cursor}
    return f"{settings.PUBLIC_URL}{request.path}?{urlencode(query)}"


@dataclass(frozen=True)
class Page:
    """One page: rows in display order and the links around it."""

    rows: list
    next: str | None
    previous: str | None

    def body(self, results: list) -> dict:
        return {"next": self.next, "previous": self.previous, "results": results}


@dataclass(frozen=True)
class Keyset:
    """Pages of a queryset by unique key fields, all descending (newest first) unless `ascending`."""

    fields: tuple[str, ...]
    ascending: bool = False

    def page(self, request: Request, rows: QuerySet) -> Page:
        """The page the request asks for, in one query."""

        def read(most: int, key: list | None, falling: bool) -> list:
            ordered = rows.order_by(*(f"-{name}" if falling else name for name in self.fields))
            return list((ordered.filter(self._beyond(key, "lt" if falling else "gt")) if key else ordered)[:most])

        return self.page_by(request, rows.model, read)

    def page_by(self, request: Request, model: type[Model], read: Callable[[int, list | None, bool], list]) -> Page:
        """The same of rows that `read(most, key, falling)` gets: at most so many, beyond a key unless it is None."""
        size, cursor = page_size(request), read_cursor(request)
        backwards, key = cursor or (False, None)
        found = read(size + 1, None if key is None else self._values(model, key), self.ascending == backwards)
        more, found = len(found) > size, found[:size]
        if backwards:
            found.reverse()
        return self._around(request, found, backwards, more, key is not None)

    def _around(self, request, found, backwards, more, turned) -> Page:
        if not found:
            return Page([], None, None)
        forth = write_cursor(False, self._key(found[-1])) if (more or backwards) else None
        back = write_cursor(True, self._key(found[0])) if (more if backwards else turned) else None
        return Page(found, link(request, forth), link(request, back))

    def _key(self, row) -> list:
        return [self._plain(getattr(row, name)) for name in self.fields]

    @staticmethod
    def _plain(value):
        return value if isinstance(value, int) else value.isoformat() if hasattr(value, "isoformat") else str(value)

    def _values(self, model: type[Model], key: list) -> list:
        if len(key) != len(self.fields):
            raise Problem.field("cursor", MALFORMED)
        try:
            values = [model._meta.get_field(n).to_python(v) for n, v in zip(self.fields, key, strict=True)]
        except (ValidationError, ValueError, TypeError, OverflowError) as error:
            raise Problem.field("cursor", MALFORMED) from error
        if any(isinstance(value, datetime) and value.tzinfo is None for value in values):
            raise Problem.field("cursor", MALFORMED)
        return values

    def _beyond(self, values: list, side: str) -> Q:
        # The first field alone, so that an index starts here: of an OR it would read everything before.
        bound, condition = Q(**{f"{self.fields[0]}__{side}e": values[0]}), Q()
        for depth, name in enumerate(self.fields):
            equal = dict(zip(self.fields[:depth], values, strict=False))
            condition |= Q(**equal, **{f"{name}__{side}": values[depth]})
        return bound & condition

"""What comes in: JSON read strictly, fields that take exactly one type, times in one form."""

import json
import math
from datetime import UTC, datetime

from django.db import models
from django.utils.dateparse import parse_datetime
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.parsers import BaseParser
from rest_framework.renderers import JSONRenderer
from rest_framework.utils.encoders import JSONEncoder

from sync import secret
from sync.http.problems import Problem

MAX_BODY = 1024 * 1024
MAX_DEPTH = 32
MAX_WHOLE = 2**53 - 1  # what JavaScript holds exactly


def instant(time: datetime | None) -> str | None:
    """RFC 3339, UTC, milliseconds."""
    return time and time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Encoder(JSONEncoder):
    """Times as `instant`, lazy texts as text."""

    def default(self, obj):
        if isinstance(obj, datetime):
            return instant(obj)
        return str(obj) if isinstance(obj, Promise) else super().default(obj)


class Json(JSONRenderer):
    """JSON answers in UTF-8."""

    encoder_class = Encoder


class StrictJson(BaseParser):
    """JSON without duplicate keys, NaN, Infinity, NUL, lone surrogates or depth beyond 32; 1 MiB at most."""

    media_type = "application/json"

    def parse(self, stream, media_type=None, parser_context=None):
        body = stream.read(MAX_BODY + 1)
        if len(body) > MAX_BODY:
            raise Problem("too_large")
        return loads(body)


def loads(body: bytes):
    """The value of a JSON document; raises Problem `invalid`."""
    try:
        value = json.loads(body.decode("utf-8"), object_pairs_hook=_pairs, parse_constant=_constant)
    except (ValueError, RecursionError) as error:
        raise Problem("invalid", _("The body is not valid JSON")) from error
    _sound(value)
    return value


def _pairs(pairs):
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("duplicate key")
    return found


def _constant(name):
    raise ValueError(name)


def _sound(value) -> None:
    """Refuse what PostgreSQL or a client could not hold."""
    waiting = [(value, 1)]
    while waiting:
        item, depth = waiting.pop()
        if depth > MAX_DEPTH:
            raise Problem("invalid", _("The body is nested too deep"))
        if isinstance(item, str):
            _sound_text(item)
        elif isinstance(item, float) and not math.isfinite(item):
            raise Problem("invalid", _("A number is out of range"))
        elif isinstance(item, dict):
            waiting += ((inner, depth + 1) for pair in item.items() for inner in pair)
        elif isinstance(item, list):
            waiting += ((inner, depth + 1) for inner in item)


def _sound_text(text: str) -> None:
    if "\0" in text or any("\ud800" <= letter <= "\udfff" for letter in text):
        raise Problem("invalid", _("A text holds a character that is not allowed"))


class Text(serializers.CharField):
    """A JSON string, nothing that merely looks like one; trimmed, 200 characters unless said."""

    def __init__(self, **kwargs):
        kwargs.setdefault("max_length", 200)
        super().__init__(**kwargs)

    def to_internal_value(self, data):
        if not isinstance(data, str):
            self.fail("invalid")
        _sound_text(data)
        return super().to_internal_value(data)


class Whole(serializers.IntegerField):
    """A JSON integer: not a bool, not 1.0, not "1"."""

    def __init__(self, **kwargs):
        kwargs.setdefault("max_value", MAX_WHOLE)
        kwargs.setdefault("min_value", -MAX_WHOLE)
        super().__init__(**kwargs)

    def to_internal_value(self, data):
        if isinstance(data, bool) or not isinstance(data, int):
            self.fail("invalid")
        return super().to_internal_value(data)


class Fen(Whole):
    """Money in fen, 0 to ten billion yuan."""

    def __init__(self, **kwargs):
        kwargs.setdefault("min_value", 0)
        kwargs.setdefault("max_value", 10**12)
        super().__init__(**kwargs)


class Choice(serializers.ChoiceField):
    """One of the listed strings."""

    def to_internal_value(self, data):
        if not isinstance(data, str):
            self.fail("invalid_choice", input=str(data)[:40])
        return super().to_internal_value(data)


@extend_schema_field(OpenApiTypes.DATETIME)
class Instant(serializers.Field):
    """RFC 3339 with an offset, in; UTC with milliseconds, out."""

    default_error_messages = {"invalid": _("Send a time like 2026-11-22T06:08:31.120Z")}

    def to_internal_value(self, data):
        try:
            time = parse_datetime(data) if isinstance(data, str) else None
        except ValueError:
            time = None
        if time is None or time.tzinfo is None or not 1970 <= time.year <= 9000:
            self.fail("invalid")
        return time.astimezone(UTC)

    def to_representation(self, value):
        return instant(value)


class Phone(Text):
    """A mobile number as people write it; E.164 inside."""

    default_error_messages = {"phone": _("This is not a mobile number")}

    def to_internal_value(self, data):
        try:
            return secret.phone(super().to_internal_value(data))
        except secret.InvalidPhone:
            self.fail("phone")


class Input(serializers.Serializer):
    """The body of a request. `read` gives its values or raises Problem `invalid` with every field at fault."""

    @classmethod
    def read(cls, request, **kwargs) -> dict:
        """The validated body."""
        return cls.of(request.data, **kwargs)

    @classmethod
    def read_query(cls, request) -> dict:
        """The validated query string."""
        return cls.of(request.query_params.dict())

    @classmethod
    def of(cls, data, **kwargs) -> dict:
        """The validated values of `data`."""
        if not isinstance(data, dict):
            raise Problem("invalid", _("Send a JSON object"))
        reading = cls(data=data, **kwargs)
        reading.is_valid(raise_exception=True)
        return dict(reading.validated_data)


def choices_of(choices: type[models.TextChoices]) -> list[str]:
    """The stored values of a model's choices."""
    return [str(value) for value in choices.values]

"""What comes in: strict JSON, strict fields."""

from datetime import UTC, datetime

import pytest
from rest_framework.exceptions import ValidationError

from sync.http import Choice, Fen, Input, Instant, Phone, Problem, Text, Whole, instant
from sync.http.input import loads


class Body(Input):
    text = Text(required=False)
    whole = Whole(required=False)
    fen = Fen(required=False)
    at = Instant(required=False)
    phone = Phone(required=False)
    choice = Choice(choices=["a"], required=False)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b'{"a": 1, "a": 2}',
        b'{"a": NaN}',
        b'{"a": Infinity}',
        b'{"a": 1e400}',
        b'{"a": "\\u0000"}',
        b'{"\\u0000": 1}',
        b'{"a": "\\ud800"}',
        b"[" * 33 + b"]" * 33,
        b"[" * 100_000,
        b'{"a": ' + b"9" * 5000 + b"}",
    ],
    ids=range(13),
)
def test_what_is_not_sound_json_is_refused(body):
    with pytest.raises(Problem) as refused:
        loads(body)
    assert refused.value.code == "invalid"


def test_depth_32_is_allowed():
    assert loads(b"[" * 32 + b"]" * 32)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *[("text", value) for value in (1, True, ["a"], {}, "x" * 201)],
        *[("whole", value) for value in (1.0, "1", "１２", True, 2**53, [], "1e3")],
        *[("fen", value) for value in (-1, 10**12 + 1, 0.5)],
        *[("at", value) for value in ("2026-11-22", "2026-11-22T06:08:31", 1, "2026-13-01T00:00:00Z", "now")],
        *[("phone", value) for value in (13800138000, "12345", "")],
        *[("choice", value) for value in ("b", 1, True, ["a"], None)],
    ],
)
def test_a_field_takes_exactly_its_type(field, value):
    with pytest.raises(ValidationError) as refused:
        Body.of({field: value})
    assert set(refused.value.detail) == {field}


def test_good_values_pass():
    read = Body.of(
        {"text": " 𠮷 ", "whole": -3, "fen": 0, "at": "2026-11-22T14:08:31.120+08:00", "phone": "13800138000"}
    )
    assert read == {
        "text": "𠮷",
        "whole": -3,
        "fen": 0,
        "at": datetime(2026, 11, 22, 6, 8, 31, 120_000, tzinfo=UTC),
        "phone": "+8613800138000",
    }


def test_times_go_out_in_utc_with_milliseconds():
    assert instant(datetime(2026, 11, 22, 6, 8, 31, 120_999, tzinfo=UTC)) == "2026-11-22T06:08:31.120Z"
    assert instant(None) is None

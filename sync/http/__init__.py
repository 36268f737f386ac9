"""HTTP as every floor speaks it: problems, input, paging, entity tags, the edge."""

from sync.http.accept import AnyAccept
from sync.http.edge import Cors, Limits, RequestIds
from sync.http.input import Choice, Fen, Input, Instant, Json, Phone, StrictJson, Text, Whole, instant
from sync.http.paging import Keyset, Page, page_size, read_cursor
from sync.http.problems import Problem, problem_for, problem_response
from sync.http.tags import etag, require_match
from sync.http.written import as_json, page_as_json

__all__ = [
    "AnyAccept",
    "Choice",
    "Cors",
    "Fen",
    "Input",
    "Instant",
    "Json",
    "Keyset",
    "Limits",
    "Page",
    "Phone",
    "Problem",
    "RequestIds",
    "StrictJson",
    "Text",
    "Whole",
    "as_json",
    "etag",
    "instant",
    "page_as_json",
    "page_size",
    "problem_for",
    "problem_response",
    "read_cursor",
    "require_match",
]

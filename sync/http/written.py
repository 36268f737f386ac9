"""Answers that PostgreSQL has written as JSON: sent as they are."""

import hashlib
import json

from django.http import HttpResponse

from sync.http.paging import Page

JSON = "application/json"


def as_json(representation: str) -> HttpResponse:
    """One resource, in JSON already, with its tag."""
    tag = hashlib.sha256(representation.encode()).hexdigest()[:32]
    return HttpResponse(representation, content_type=JSON, headers={"ETag": f'"{tag}"'})


def page_as_json(page: Page, results: list[bytes]) -> HttpResponse:
    """A page whose results are in JSON already."""
    links = f'{{"next": {json.dumps(page.next)}, "previous": {json.dumps(page.previous)}, "results": ['
    return HttpResponse(b"".join((links.encode(), b", ".join(results), b"]}")), content_type=JSON)

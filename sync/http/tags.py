"""Entity tags: a strong ETag of a representation, If-Match before a change."""

import hashlib

from rest_framework.request import Request

from sync.http.input import Json
from sync.http.problems import Problem


def etag(representation) -> str:
    """A strong tag of exactly this representation."""
    return f'"{hashlib.sha256(Json().render(representation)).hexdigest()[:32]}"'


def require_match(request: Request, current, *, required: bool = True) -> None:
    """428 without If-Match (where required), 412 with `current` when the client read something older."""
    given = request.headers.get("If-Match")
    if given is None:
        if required:
            raise Problem("precondition_required")
        return
    tags = {tag.strip().removeprefix("W/") for tag in given.split(",")}
    if "*" not in tags and etag(current) not in tags:
        raise Problem("version_conflict", current=current)

"""Members as staff see them: masked, scoped to their channels, changed only by acts."""

from members.admin import (
    consents,
    freezes,
    identities,
    linking,
    notices,
    people,
    privacy,
    profile,
    requests,
    sessions,
    traced,
)

__all__ = [
    "consents",
    "freezes",
    "identities",
    "linking",
    "notices",
    "people",
    "privacy",
    "profile",
    "requests",
    "sessions",
    "traced",
]

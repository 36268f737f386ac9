"""What endpoints were set to at some time, from the audit rows that the database writes by itself.

Those rows hold no secret, but tell when each was set and until when the one before it signed as well. A secret that is
still there, the one in force or the one before it, is known to have signed whatever was tried while it did.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise

from pghistory.core import event_models

from sync.models import Endpoint
from sync.secret import Unreadable

MOMENT = timedelta(seconds=3)  # between a claim, by what was set then, and the try; and what clocks may differ


@dataclass(frozen=True)
class Setting:
    """What was set `since` some time."""

    since: datetime
    url: str
    secret_at: datetime | None
    overlap_until: datetime | None


@dataclass
class Signers:
    """The secrets that signed a try, in the order of their signatures, as far as they are there: `is_gone` when that is
    not all of them, `is_open` when it cannot be told which they were."""

    secrets: list[str] = field(default_factory=list)
    is_gone: bool = False
    is_open: bool = False


class Past:
    """What endpoints were set to, ever: one query, however many."""

    def __init__(self, endpoints: Iterable[Endpoint]):
        (history,) = event_models(tracks_model=Endpoint)
        rows = history.objects.filter(pgh_obj__in=[each.pk for each in endpoints]).order_by("pgh_created_at", "pgh_id")
        told = ("pgh_created_at", "url", "secret_at", "overlap_until")
        self.known: dict[object, list[Setting]] = defaultdict(list)
        for endpoint, label, *row in rows.values_list("pgh_obj", "pgh_label", *told):
            if label == "insert":  # there is nothing before it
                row[0] = datetime.min.replace(tzinfo=row[0].tzinfo)
            self.known[endpoint].append(Setting(*row))

    def address(self, endpoint: Endpoint, at: datetime) -> str:
        """The address at that time when it is another one today; else nothing."""
        then = self._then(endpoint, at)
        return then.url if then and then.url != endpoint.url else ""

    def signers(self, endpoint: Endpoint, at: datetime) -> Signers:
        """What signed at that time."""
        then = self._then(endpoint, at)
        if then is None:
            return Signers(is_gone=True)
        if self._is_close(endpoint, at):
            return Signers(is_open=True)
        kept = [_read(endpoint, name) for name in ("secret", "old_secret")]
        generations = list(dict.fromkeys(each.secret_at for each in self.known[endpoint.pk]))[::-1]
        if generations[0] != endpoint.secret_at:
            return Signers(is_open=True)  # it was changed between two looks
        place = generations.index(then.secret_at)
        count = 2 if then.overlap_until and at < then.overlap_until else 1
        signed = [*kept, None, None][place : place + count] if place < 2 else [None]
        found = signed[: signed.index(None)] if None in signed else signed
        return Signers(found, is_gone=len(found) < count)

    def _then(self, endpoint: Endpoint, at: datetime) -> Setting | None:
        then = [each for each in self.known[endpoint.pk] if each.since <= at]
        return then[-1] if then else None

    def _is_close(self, endpoint: Endpoint, at: datetime) -> bool:
        """Whether the secrets in force changed at about that time."""
        settings = self.known[endpoint.pk]
        changes = [
            after.since
            for before, after in pairwise(settings)
            if (before.secret_at, before.overlap_until) != (after.secret_at, after.overlap_until)
        ]
        then = self._then(endpoint, at)
        changes += [each for each in (then.secret_at, then.overlap_until) if each]
        return any(abs(each - at) < MOMENT for each in changes)


def _read(endpoint: Endpoint, name: str) -> str | None:
    try:
        return getattr(endpoint, name)
    except Unreadable:
        return None

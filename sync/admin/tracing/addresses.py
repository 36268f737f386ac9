"""Where an endpoint led at some time, from the audit rows that the database writes by itself."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime

from pghistory.core import event_models

from sync.models import Endpoint


class Addresses:
    """What endpoints were called by, ever: one query, however many."""

    def __init__(self, endpoints: Iterable[Endpoint]):
        (history,) = event_models(tracks_model=Endpoint)
        rows = history.objects.filter(pgh_obj__in=[each.pk for each in endpoints]).order_by("pgh_created_at", "pgh_id")
        self.known = defaultdict(list)
        for endpoint, at, url in rows.values_list("pgh_obj", "pgh_created_at", "url"):
            self.known[endpoint].append((at, url))

    def of(self, endpoint: Endpoint, at: datetime) -> str:
        """The address at that time when it is another one today; else nothing."""
        then = [url for since, url in self.known[endpoint.pk] if since <= at]
        return then[-1] if then and then[-1] != endpoint.url else ""

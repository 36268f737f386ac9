"""An order's whole story on one timeline, newest first: what happened, told, moved, arrived, failed, and who did it.

Each source asks a bounded number of queries, whatever belongs to the order; the newest `MOST` of each are told. What
the reader may not look at elsewhere is not told here either.
"""

from collections.abc import Iterator
from itertools import chain, groupby

from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from orders.admin.columns import Names
from orders.admin.timeline import goods, handled, money, points, traffic
from orders.admin.timeline.entry import Entry, Story
from orders.models import Order

AT_ONCE = 60  # entries that are open when the page opens
OPEN = 2  # of many reports of one parcel in a row
SOURCES = {  # each with what its reader must be allowed to look at
    money.payments: "orders.view_payment",
    money.cases: "orders.view_paymentcase",
    money.refunds: "orders.view_refund",
    goods.parcels: "orders.view_shipment",
    goods.uploads: "orders.view_shippingupload",
    handled.by_hand: "orders.view_intervention",
    handled.late: "orders.view_superseded",
    handled.shown_to: "orders.view_disclosure",
    points.entries: "loyalty.view_entry",
    traffic.notices: "members.view_membernotice",
    traffic.messages: "sync.view_inboxmessage",
    traffic.facts: "sync.view_event",
}
GROUPS = {
    "order": _("Order"),
    "money": _("Payments and refunds"),
    "goods": _("Parcels"),
    "points": _("Points"),
    "hand": _("Manual work"),
    "traffic": _("Messages"),
}


def of(request, order: Order) -> dict:
    """What the page shows: days with their entries, the kinds there are, whether older ones are left out."""
    story = Story(request, order)
    found = sorted(
        chain.from_iterable(source(story) for source, needed in SOURCES.items() if story.may(needed)),
        key=_newest,
        reverse=True,
    )
    names = Names(each.by for each in found)
    for each in found:
        each.who = names.of(each.by) if each.by else ""
    kinds, seen = {each.group for each in found}, list(_folded(found))
    return {
        "days": list(_by_day(seen[:AT_ONCE])),
        "older": list(_by_day(seen[AT_ONCE:])),
        "count": len(found),
        "older_count": max(0, len(seen) - AT_ONCE),
        "kinds": [(name, title) for name, title in GROUPS.items() if name in kinds],
        "is_cut": story.is_cut,
    }


def _folded(found: list[Entry]) -> Iterator[Entry]:
    """Of many reports of one parcel in a row the newest few are open; the last of them holds the others."""
    for run, entries in groupby(found, key=lambda each: each.run):
        alike = list(entries)
        if run is not None and len(alike) > OPEN + 1:
            alike[OPEN - 1].folded = alike[OPEN:]
            alike = alike[:OPEN]
        yield from alike


def _newest(entry: Entry) -> tuple:
    return entry.at, entry.rank


def _by_day(found: list[Entry]) -> Iterator[tuple]:
    for day, entries in groupby(found, key=lambda each: timezone.localdate(each.at)):
        yield day, list(entries)

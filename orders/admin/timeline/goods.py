"""Goods: parcels, what carriers told of them, what WeChat was told."""

import json
from collections.abc import Iterator

from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _

from orders import queries
from orders.admin import acts
from orders.admin.masking import masked
from orders.admin.timeline.entry import MOST, Entry, Story, joined, page_of
from orders.models import Shipment, ShippingUpload
from sync.admin.shown import BAD, BUSY, GOOD

STATES = dict(Shipment.State.choices)
TONES = {"delivered": GOOD, "problem": BAD, "refused": BAD, "returned": BAD, "returning": BAD}


def parcels(story: Story) -> Iterator[Entry]:
    """Sent, told of by their carrier, withdrawn."""
    for each in story.shipments:
        name = _called(each)
        goods = joined(f"{it.line.name} × {it.quantity}" for it in each.lines.all())
        ways = acts.ways_of(story.request, story.order, shipment=each)
        words = _("Parcel %(name)s entered") % {"name": name}
        yield Entry(each.created_at, "goods", words, more=[goods, _followed(each)], url=page_of(each), ways=ways)
        if each.withdrawn_at:
            words = _("Parcel %(name)s withdrawn") % {"name": name}
            yield Entry(each.withdrawn_at, "goods", words, tone=BAD, url=page_of(each), rank=1)
        else:
            yield from _told(each, name)


def uploads(story: Story) -> Iterator[Entry]:
    """What WeChat was told of the shipping, and that it let go of the money."""
    rows = ShippingUpload.objects.filter(payment__order=story.order).select_related("payment")
    for each in story.newest(rows):
        url, ways = page_of(each), acts.ways_of(story.request, story.order, upload=each)
        if each.sent_at:
            words = (
                _("WeChat was told of the shipping anew") if each.is_corrected else _("WeChat was told of the shipping")
            )
            yield Entry(each.sent_at, "goods", words, tone=GOOD, url=url, ways=ways, rank=1)
        if each.state != ShippingUpload.State.SENT:
            words = _("WeChat is to be told of the shipping: %(state)s") % {"state": each.get_state_display()}
            told = _("Tried %(count)s times") % {"count": each.attempts} if each.attempts else ""
            tone = BAD if each.state == ShippingUpload.State.FAILED else BUSY
            yield Entry(each.created_at, "goods", words, "", tone, [joined([each.problem, told])], url, ways=ways)
        if each.settled_at:
            yield Entry(each.settled_at, "money", _("WeChat released the money"), tone=GOOD, url=url, rank=2)


def _told(shipment: Shipment, name: str) -> Iterator[Entry]:
    """What the carrier said; numbers in it are masked. A time that cannot be read is left out."""
    told = json.loads(shipment.tracking) if shipment.tracking else []
    for place, each in enumerate(told[:MOST]):
        if at := parse_datetime(str(each.get("at") or "")):
            state, text = each.get("state", ""), masked(str(each.get("text") or ""))
            more = [joined([name, masked(str(each.get("place") or ""))])]
            words = f"{STATES.get(state, state)}：{text}" if text else str(STATES.get(state, state))
            tone, url = TONES.get(state, "quiet"), page_of(shipment)
            yield Entry(at, "goods", words, "", tone, more, url, rank=-place, run=shipment.pk)


def _called(shipment: Shipment) -> str:
    return joined([queries.carrier_name(shipment), shipment.tracking_number])


def _followed(shipment: Shipment) -> str:
    if shipment.watch_problem:
        return f"{shipment.get_watch_display()}: {shipment.watch_problem}"
    return "" if shipment.watch == Shipment.Watch.NONE else str(shipment.get_watch_display())

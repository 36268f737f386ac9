"""Events are followed by order number as well."""

import re

from django.contrib import admin
from django.db.models import Q

from orders.admin.timeline import traffic
from orders.models import Order
from sync.admin import tracing

NUMBER = re.compile(r"(?i)D[0-9]{9,19}")


@tracing.finds
def by_number(request, text: str) -> Q | None:
    """The events that tell of the order of this number, on whichever stream, if the reader sees that order."""
    if not NUMBER.fullmatch(text):
        return None
    order = admin.site._registry[Order].get_queryset(request).filter(number=text.upper()).first()
    if order is None:
        return Q(pk__in=[])
    return Q(subject__in=traffic.streams(order), type__startswith="order.", data__number=order.number)

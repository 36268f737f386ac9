"""Events are followed by member number as well."""

import re

from django.contrib import admin
from django.db.models import Q

from members.models import Member
from sync import events
from sync.admin import tracing

NUMBER = re.compile(r"(?i)M[0-9]{9,19}")


@tracing.finds
def by_number(request, text: str) -> Q | None:
    """The events of the member of this number, if the reader sees that member."""
    if not NUMBER.fullmatch(text):
        return None
    members = admin.site._registry[Member].get_queryset(request).filter(number=text.upper())
    return Q(subject__in=[events.of_member(each) for each in members.values_list("pk", flat=True)])

"""Rows that change their member."""

from django.db.models import QuerySet

from members.models import Member


def handed(rows: QuerySet, member: Member, owner: str = "member") -> list:
    """Give rows to another member; returns their keys as a journal keeps them."""
    keys = list(rows.order_by("pk").values_list("pk", flat=True))
    rows.model.objects.filter(pk__in=keys).update(**{owner: member})
    return [key if isinstance(key, int) else str(key) for key in keys]

"""The member a page of manual work is about: chosen by key or looked for, among those that the reader sees."""

from django.contrib import admin
from django.http import Http404

from members.models import Member


def chosen(request, key) -> Member:
    """The member of this key. Raises Http404 for anybody the reader does not see."""
    page = admin.site._registry[Member]
    try:
        found = page.get_object(request, key) if page.has_view_permission(request) else None
    except ValueError as error:
        raise Http404 from error
    if found is None:
        raise Http404
    return found


def matching(request, text: str, most: int) -> list[Member]:
    """The newest `most` members that lists find by this text; none for who may not look at members."""
    page = admin.site._registry[Member]
    if not page.has_view_permission(request):
        return []
    rows, _distinct = page.get_search_results(request, page.get_queryset(request), text)
    return list(rows.order_by("-id")[:most])

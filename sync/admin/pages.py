"""The manner of every admin page: look freely within one's channels, change what is named, find by kind."""

from collections.abc import Callable

from django.contrib import admin, messages
from django.contrib.admin.options import flatten_fieldsets
from django.contrib.admin.views.main import ORDER_VAR
from django.contrib.postgres.fields import ArrayField
from django.db import OperationalError
from django.db.models import URLField
from django.http import Http404
from django.shortcuts import redirect
from django.utils.text import capfirst, format_lazy
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin
from unfold.views import ChangeList
from unfold.widgets import UnfoldAdminTextInputWidget

from sync import quotas
from sync.admin import scope, search
from sync.admin.paging import CappedPaginator
from sync.admin.panels import panels_of
from sync.admin.trail import changes_of
from sync.http import Problem
from sync.http.problems import CODES, STATEMENT_TIMEOUT

PHONES_SEARCHED = ((60, 600), (600, 24 * 3600))  # by one person (how many, seconds)


class HubList(ChangeList):
    """A list in its own order that counts once: no sorting by request, and what the whole table holds is not asked."""

    def get_ordering(self, request, queryset):
        self.params.pop(ORDER_VAR, None)
        return super().get_ordering(request, queryset)

    def get_results(self, request):
        super().get_results(request)
        self.full_result_count = self.result_count
        len(self.result_list)  # asked here, where a question that takes too long can still be answered


class HubAdmin(ModelAdmin):
    """Nothing can be added, changed or deleted unless it is named here, and then by whoever has the permission.

    `within` filters by the channels that the reader holds; `lookups` are query parameters allowed beside filters.
    """

    within: Callable = staticmethod(scope.everywhere)
    editable: tuple[str, ...] = ()
    on_adding: tuple[str, ...] = ()  # may be said once, when the row is made
    lookups: tuple[str, ...] = ()
    searches: list[search.Search] = []

    paginator = CappedPaginator
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    list_per_page = 50
    list_max_show_all = 0
    sortable_by = ()
    actions = ()
    list_filter_sheet = False
    compressed_fields = True
    change_form_outer_after_template = "admin/panels.html"

    # Who may do what
    def has_add_permission(self, request):
        return bool(self.on_adding) and super().has_add_permission(request)

    def has_change_permission(self, request, obj=None):
        return bool(self.editable) and super().has_change_permission(request, obj)

    def has_delete_permission(self, request, obj=None):
        return False

    def get_readonly_fields(self, request, obj=None):
        named = self.editable if obj else (*self.editable, *self.on_adding)
        return [each for each in flatten_fieldsets(self.get_fieldsets(request, obj)) if each not in named]

    def get_fieldsets(self, request, obj=None):
        if obj is None:
            return [
                (None, {"fields": [*self.on_adding, *(each for each in self.editable if each not in self.on_adding)]})
            ]
        return super().get_fieldsets(request, obj)

    # What is there
    def get_queryset(self, request):
        seen = scope.sight(request)
        rows = super().get_queryset(request).defer(*secrets_of(self.model))
        return rows if seen.is_whole else rows.filter(self.within(seen.channels))

    def _get_obj_does_not_exist_redirect(self, request, opts, object_id):
        raise Http404

    def lookup_allowed(self, lookup, value, request):
        return lookup in self.lookups or any(lookup in parameters_of(each) for each in self.get_list_filter(request))

    # Finding
    def get_search_fields(self, request):
        return ("pk",) if self.searches else ()  # shows the box; what it does is below

    def get_search_results(self, request, queryset, search_term):
        """Phones are counted: else a masked one could be found out by trying all it may be."""
        try:
            if search.is_phone(search_term):
                for limit, every in PHONES_SEARCHED:
                    quotas.count(f"phones-searched/{request.user.pk}", limit=limit, every=every)
        except Problem:
            messages.warning(request, CODES["rate_limited"][1])
            return queryset.none(), False
        return (search.found(queryset, self.searches, search_term) if search_term else queryset), False

    # Pages
    def get_changelist(self, request, **kwargs):
        return HubList

    def changelist_view(self, request, extra_context=None):
        title = {"title": capfirst(self.opts.verbose_name_plural), "subtitle": ""}
        try:
            return super().changelist_view(request, title | (extra_context or {}))
        except OperationalError as error:
            if getattr(error.__cause__, "sqlstate", "") != STATEMENT_TIMEOUT or not request.GET:
                raise
        messages.warning(request, _("That took too long: narrow it down by time or channel"))
        return redirect(request.path)

    def change_view(self, request, object_id, form_url="", extra_context=None):
        row = self.get_object(request, object_id) if request.method == "GET" else None
        beside = {}
        if row and self.has_view_permission(request, row):
            beside = {
                "panels": panels_of(request, row),
                "changes": changes_of(row, (each.model for each in self.inlines)),
            } | self.explained(request, row)
        return super().change_view(request, object_id, form_url, beside | (extra_context or {}))

    def explained(self, request, row) -> dict:
        """What the templates of this page show beside the row and its panels."""
        return {}

    def formfield_for_dbfield(self, db_field, request, **kwargs):
        if isinstance(db_field, URLField):
            kwargs["assume_scheme"] = "https"
        if isinstance(db_field, ArrayField):
            kwargs["widget"] = UnfoldAdminTextInputWidget
            several = _("Several are separated by commas")
            kwargs["help_text"] = format_lazy("{} · {}", several, db_field.help_text) if db_field.help_text else several
        return super().formfield_for_dbfield(db_field, request, **kwargs)

    def formfield_for_foreignkey(self, db_field, request, **kwargs):
        target = self.admin_site._registry.get(db_field.related_model)
        if target and "queryset" not in kwargs:
            kwargs["queryset"] = target.get_queryset(request)
        return super().formfield_for_foreignkey(db_field, request, **kwargs)


class ByChannel(admin.SimpleListFilter):
    """A filter by the channels that the reader holds."""

    title, parameter_name, path = _("channel"), "channel", "channel"

    def lookups(self, request, model_admin):
        return [(each.code, each.name) for each in scope.sight(request).channels]

    def queryset(self, request, queryset):
        chosen = [each.pk for each in scope.sight(request).channels if each.code == self.value()]
        return queryset.filter(**{self.path: chosen[0]}) if chosen else queryset

    @classmethod
    def at(cls, path: str) -> type["ByChannel"]:
        """The filter for rows whose channel is at `path`."""
        return type("ByChannel", (cls,), {"path": path})


class StillOpen(admin.SimpleListFilter):
    """Open ones first of all: a filter on a time that is set when something is over."""

    title, parameter_name, path = _("state"), "is", "resolved_at"

    def lookups(self, request, model_admin):
        return [("open", _("Open")), ("over", _("Over"))]

    def queryset(self, request, queryset):
        if self.value() in {"open", "over"}:
            return queryset.filter(**{f"{self.path}__isnull": self.value() == "open"})
        return queryset


def parameters_of(list_filter) -> set[str]:
    """The query parameters that a filter of a list reads."""
    if isinstance(list_filter, str):
        return {f"{list_filter}__exact", f"{list_filter}__isnull"}
    if isinstance(list_filter, tuple):
        field = list_filter[0]
        return {f"{field}_from", f"{field}_to", f"{field}__exact"}
    return {list_filter.parameter_name}


def secrets_of(model) -> list[str]:
    """Columns that no page needs: ciphertext and hashes."""
    return [
        each.name
        for each in model._meta.concrete_fields
        if each.get_internal_type() == "BinaryField" and not each.primary_key
    ]

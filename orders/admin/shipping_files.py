"""Shipping many by spreadsheet: brought, looked at line by line, run, watched, its result taken home."""

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, JsonResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import path
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST
from unfold.contrib.filters.admin import RangeDateTimeFilter
from unfold.decorators import action
from unfold.widgets import UnfoldAdminFileFieldWidget

from loyalty.admin.adjusting import name_of
from loyalty.admin.adjusting_files import spreadsheet
from orders.admin.columns import state
from orders.models import Order, ShippingFile, ShippingRow
from orders.services import shipping_files
from orders.services.handling import NoReason
from orders.services.shipping_lines import MOST_LINES, words_of
from sync.act import Actor
from sync.admin import scope, search, shown
from sync.admin.pages import HubAdmin
from sync.spreadsheets import LONGEST, BadFile

SHIP = "orders.ship_order"
REFUSALS = (BadFile, NoReason, shipping_files.NotYours, shipping_files.NotOpen)


class BringForm(forms.Form):
    """A spreadsheet."""

    file = forms.FileField(label=gettext_lazy("File"), widget=UnfoldAdminFileFieldWidget)


def held(path: str = ""):
    """Files whose bringer's channels are all held by the reader."""
    return lambda channels: scope.Q(**{f"{path}channels__contained_by": [each.code for each in channels]})


@admin.register(ShippingFile)
class ShippingFileAdmin(HubAdmin):
    within = staticmethod(held())
    list_display = [
        "name",
        shown.state("state", gettext_lazy("State")),
        "lines",
        shown.computed(
            "wrong", gettext_lazy("Wrong lines"), lambda it: shown.tag(it.wrong, shown.BAD) if it.wrong else shown.EMPTY
        ),
        shown.computed("brought_by", gettext_lazy("Brought by"), lambda it: name_of(it.brought_by)),
        shown.at("brought_at", gettext_lazy("Brought")),
        shown.at("finished_at", gettext_lazy("Finished")),
    ]
    list_select_related = ["brought_by"]
    list_filter = ["state", ("brought_at", RangeDateTimeFilter)]
    list_filter_submit = True
    ordering = ["-id"]
    searches = [search.by_id("pk"), search.by_prefix("name")]
    search_help_text = gettext_lazy("How the file's name begins")
    actions_list = ["bring"]
    fieldsets = [(None, {"fields": [("name", list_display[1]), (list_display[4], list_display[5]), "reason"]})]
    change_form_outer_before_template = "admin/orders/shipping_file.html"

    def has_ship_permission(self, request) -> bool:
        return request.user.has_perm(SHIP)

    def get_urls(self):
        wrap, name = self.admin_site.admin_view, "orders_shippingfile"
        return [
            path("sample.csv", wrap(self.sample), name=f"{name}_sample"),
            path("<uuid:key>/act/<slug:act>/", wrap(require_POST(self.act)), name=f"{name}_act"),
            path("<uuid:key>/progress/", wrap(self.progress), name=f"{name}_progress"),
            path("<uuid:key>/result.csv", wrap(self.result), name=f"{name}_result"),
            *super().get_urls(),
        ]

    @action(description=gettext_lazy("Ship by spreadsheet"), url_path="bring", permissions=["ship"], icon="upload_file")
    def bring(self, request):
        """Upload a file: kept and judged, nothing is shipped."""
        self._require(request)
        form = BringForm(request.POST or None, request.FILES or None)
        if request.method == "POST" and form.is_valid() and (made := self._kept(request, form)):
            return redirect("admin:orders_shippingfile_change", made.pk)
        known = {"title": _("Ship by spreadsheet"), "subtitle": None, "opts": self.opts, "form": form}
        context = self.admin_site.each_context(request) | known | {"most": f"{MOST_LINES:,}"}
        return TemplateResponse(request, "admin/orders/bring_parcels.html", context)

    def _kept(self, request, form: BringForm) -> ShippingFile | None:
        upload = form.cleaned_data["file"]
        channels = [each.code for each in scope.sight(request).channels]
        among = admin.site._registry[Order].get_queryset(request)
        given = {"name": upload.name, "content": upload.read(LONGEST + 1), "among": among, "channels": channels}
        try:
            return shipping_files.bring(by=_by(request), **given)
        except BadFile as error:
            form.add_error("file", str(error))
            return None

    def act(self, request, key, act: str):
        """Run a file or take it back; then its page."""
        self._require(request)
        row = self._row(request, key)
        try:
            if act == "run":
                shipping_files.run(file=row.pk, reason=request.POST.get("reason", ""), by=_by(request))
                messages.success(request, _("It runs now: you may leave this page"))
            elif act == "withdraw":
                shipping_files.withdraw(file=row.pk, by=_by(request))
                messages.success(request, _("Withdrawn"))
            else:
                raise Http404
        except REFUSALS as error:
            messages.error(request, str(error))
        return redirect("admin:orders_shippingfile_change", row.pk)

    def progress(self, request, key):
        """How far a file is, as the page asks while it runs."""
        row = self._row(request, key)
        counts = shipping_files.progress(row)
        done = counts["shipped"] + counts["known"] + counts["failed"]
        return JsonResponse({"state": row.state, "done": done, **counts})

    def result(self, request, key):
        """Every line with what became of it, as a spreadsheet."""
        rows = self._row(request, key).rows.select_related("order").order_by("line")
        table = [[_("Line"), _("Order as written"), _("Order"), _("Carrier"), _("Waybill"), _("State"), _("Problem")]]
        for it in rows.iterator():
            told = [it.line, it.known_as, it.order.number if it.order else "", it.carrier, it.tracking_number]
            table.append([*told, it.get_state_display(), words_of(it.problem)])
        return spreadsheet(table, "parcels-result.csv")

    def sample(self, request):
        """A file to begin with."""
        self._require(request)
        header = [_("Order number"), _("Carrier"), _("Waybill"), _("Articles")]
        lines = [["D2026112200000001", "顺丰速运", "SF1234567890123", ""]]
        lines.append(["D2026112200000002", "中通快递", "73123456789012", "TEA-1×2;CUP-3×1"])
        return spreadsheet([header, *lines], "parcels.csv")

    def explained(self, request, row) -> dict:
        counts = shipping_files.progress(row)
        is_mine = row.brought_by_id == request.user.pk and request.user.has_perm(SHIP)
        return {
            "file": row,
            "counts": _sums(row, counts),
            "to_do": row.lines - row.wrong,
            "done": counts["shipped"] + counts["known"] + counts["failed"],
            "faults": shipping_files.problems(row),
            "may_run": is_mine and row.state == ShippingFile.State.DRAFT,
        }

    def _row(self, request, key) -> ShippingFile:
        row = self.get_queryset(request).filter(pk=key).first()
        if row is None or not self.has_view_permission(request, row):
            raise Http404
        return row

    def _require(self, request) -> None:
        if not request.user.has_perm(SHIP):
            raise PermissionDenied


def _by(request) -> Actor:
    return Actor("staff", str(request.user.pk))


def _sums(row: ShippingFile, counts: dict[str, int]) -> list[dict]:
    """What a file holds, and how far it has come."""
    found = [("lines", _("Lines"), row.lines, False), ("fine", _("In order"), row.lines - row.wrong, False)]
    found.append(("wrong", _("Wrong"), row.wrong, row.wrong > 0))
    if row.state in {"running", "done"}:
        found += [("shipped", _("Shipped"), counts["shipped"], False)]
        found += [("known", _("Shipped before"), counts["known"], False)]
        found += [("failed", _("Failed"), counts["failed"], counts["failed"] > 0)]
    return [{"name": n, "title": t, "shown": f"{count:,}", "is_bad": is_bad} for n, t, count, is_bad in found]


@admin.register(ShippingRow)
class ShippingRowAdmin(HubAdmin):
    within = staticmethod(held("file__"))
    list_display = [
        shown.computed("line", gettext_lazy("Line"), lambda it: it.line),
        shown.computed("known_as", gettext_lazy("Order as written"), lambda it: it.known_as or shown.EMPTY),
        shown.link("order", gettext_lazy("Order")),
        shown.computed("carrier", gettext_lazy("Carrier"), lambda it: it.carrier or shown.EMPTY),
        shown.code("tracking_number", gettext_lazy("Waybill")),
        shown.computed("state", gettext_lazy("State"), state),
        shown.computed("problem", gettext_lazy("Problem"), lambda it: words_of(it.problem) or shown.EMPTY),
        shown.link("shipment", gettext_lazy("Parcel")),
    ]
    list_select_related = ["file", "order", "shipment"]
    list_filter = ["state"]
    ordering = ["file", "line"]
    searches = [search.by_id("file_id"), search.by_number("D", "order__number"), search.exactly("tracking_number")]
    search_help_text = gettext_lazy("Order number or waybill")
    fieldsets = [(None, {"fields": [shown.link("file", gettext_lazy("File")), *list_display]})]

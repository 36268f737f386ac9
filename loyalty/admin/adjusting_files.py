"""Files of adjustments: brought, checked, decided on, watched while they run, undone."""

import csv
import io

from django import forms
from django.contrib import admin, messages
from django.http import Http404, HttpResponse, JsonResponse
from django.template.response import TemplateResponse
from django.urls import path
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST
from unfold.contrib.filters.admin import RangeDateTimeFilter
from unfold.decorators import action
from unfold.widgets import UnfoldAdminFileFieldWidget

from loyalty.admin import acting
from loyalty.admin.acting import APPROVE, ASK
from loyalty.admin.adjusting import Queue, person
from loyalty.models import AdjustmentFile, AdjustmentRow, Reason
from loyalty.services import adjusting_by_file, budgets
from loyalty.services.adjusting_lines import LONGEST, MOST_LINES, PROBLEMS, unknown_phones
from members.models import Member
from sync import quotas
from sync.admin import scope, search, shown
from sync.admin.pages import HubAdmin
from sync.admin.panels import Panel, show_on
from sync.http import Problem
from sync.http.problems import CODES

ACTS = {
    "submit": (adjusting_by_file.submit, ASK, _("Asked for: it runs at once where no second person is needed")),
    "withdraw": (adjusting_by_file.withdraw, ASK, _("Withdrawn")),
    "approve": (adjusting_by_file.approve, APPROVE, _("Approved: it runs now")),
    "refuse": (adjusting_by_file.refuse, APPROVE, _("Refused: no point has moved")),
    "undo": (adjusting_by_file.undo, ASK, _("Undoing has been asked for: this is the file that undoes it")),
}
SAMPLE = [["member", "points", "reason", "note", "reference"], ["M2026112200000001", "100", "", "", "2026-11-1"]]
FORMULA = ("=", "+", "-", "@", "＝", "＋", "－", "＠", "\t", "\r", "\n")
PHONES_UNKNOWN = {"limit": 600, "every": 24 * 3600}  # that nobody has, in the files of one person


class BringForm(forms.Form):
    """A CSV file."""

    file = forms.FileField(label=_("File"), widget=UnfoldAdminFileFieldWidget)


def held(path: str = ""):
    """Files whose bringer's channels are all held by the reader."""
    return lambda channels: scope.Q(**{f"{path}channels__contained_by": [each.code for each in channels]})


@admin.register(AdjustmentFile)
class AdjustmentFileAdmin(HubAdmin):
    within = staticmethod(held())
    list_display = [
        "name",
        shown.state("state", _("State")),
        "lines",
        shown.computed(
            "wrong", _("Wrong lines"), lambda it: shown.tag(it.wrong, shown.BAD) if it.wrong else shown.EMPTY
        ),
        shown.points("given", _("Points given")),
        shown.points("taken", _("Points taken")),
        person("asked_by", _("Asked by")),
        person("decided_by", _("Decided by")),
        shown.at("asked_at", _("Asked at")),
    ]
    list_select_related = ["asked_by", "decided_by"]
    list_filter = [Queue, "state", ("asked_at", RangeDateTimeFilter)]
    list_filter_submit = True
    ordering = ["-id"]
    searches = [search.by_id("pk"), search.by_prefix("name")]
    search_help_text = _("How the file's name begins")
    actions_list = ["bring"]
    fieldsets = [
        (None, {"fields": [("name", list_display[1]), (list_display[6], list_display[8])]}),
        (
            _("Who decided"),
            {
                "fields": [
                    (list_display[7], shown.at("decided_at", _("Decided at"))),
                    "why",
                    shown.link("undoes", _("Undoes")),
                ]
            },
        ),
    ]
    change_form_outer_before_template = "admin/loyalty/adjustment_file.html"

    def has_ask_permission(self, request) -> bool:
        return request.user.has_perm(ASK)

    def get_urls(self):
        wrap, name = self.admin_site.admin_view, "loyalty_adjustmentfile"
        return [
            path("sample.csv", wrap(self.sample), name=f"{name}_sample"),
            path("<uuid:key>/act/<slug:act>/", wrap(require_POST(self.act)), name=f"{name}_act"),
            path("<uuid:key>/progress/", wrap(self.progress), name=f"{name}_progress"),
            path("<uuid:key>/problems.csv", wrap(self.problems), name=f"{name}_problems"),
            *super().get_urls(),
        ]

    @action(description=_("Bring a file"), url_path="bring", permissions=["ask"], icon="upload_file")
    def bring(self, request):
        """Upload a file: kept and checked, nothing moves."""
        acting.require(request, ASK)
        form = BringForm(request.POST or None, request.FILES or None)
        if request.method == "POST" and form.is_valid() and (made := self._kept(request, form.cleaned_data["file"])):
            return acting.to_page(made)
        context = self.admin_site.each_context(request) | {
            "title": _("Bring a file"),
            "subtitle": None,
            "opts": self.opts,
            "form": form,
            "most": f"{MOST_LINES:,}",
            "reasons": Reason.objects.filter(is_active=True),
        }
        return TemplateResponse(request, "admin/loyalty/bring.html", context)

    def _kept(self, request, upload) -> AdjustmentFile | None:
        among = admin.site._registry[Member].get_queryset(request)
        channels = [each.code for each in scope.sight(request).channels]
        content = upload.read(LONGEST + 1)
        given = {"name": upload.name, "content": content, "among": among, "channels": channels}
        try:
            return acting.attempt(request, _bring, _("Checked: nothing has moved yet"), **given)
        except Problem:
            messages.warning(request, CODES["rate_limited"][1])
            return None

    def act(self, request, key, act: str):
        """Ask for a file, decide on it, take it back or undo it; then its page."""
        if act not in ACTS:
            raise Http404
        function, permission, done = ACTS[act]
        acting.require(request, permission)
        row = self._row(request, key)
        words = {"why": acting.words(request)} if act == "refuse" else {}
        made = acting.attempt(request, function, done, file=row.pk, **words)
        return acting.to_page(made or row)

    def progress(self, request, key):
        """How far a file is, as the page asks while it runs."""
        row = self._row(request, key)
        counts = adjusting_by_file.progress(row)
        return JsonResponse({"state": row.state, "done": counts["posted"] + counts["failed"], **counts})

    def problems(self, request, key):
        """Lines that are wrong or failed, with their numbers, as a spreadsheet."""
        rows = self._row(request, key).rows.exclude(problem="").order_by("line")
        table = [[_("Line"), _("Member"), _("Points"), _("Reference"), _("Problem")]]
        table += [[it.line, it.known_as, it.points, it.reference, PROBLEMS[it.problem]] for it in rows.iterator()]
        return spreadsheet(table, "problems.csv")

    def sample(self, request):
        """A file to begin with."""
        acting.require(request, ASK)
        first = Reason.objects.filter(is_active=True).first()
        header, line = SAMPLE
        return spreadsheet([header, [*line[:2], first.code if first else "", *line[3:]]], "adjustments.csv")

    def explained(self, request, row) -> dict:
        is_mine, state = row.asked_by_id == request.user.pk, row.state
        may_ask = request.user.has_perm(ASK)
        live = row.undoings.exclude(state__in=["refused", "withdrawn"]).first()
        counts = adjusting_by_file.progress(row)
        return {
            "file": row,
            "sums": _sums(row, counts),
            "to_do": row.lines - row.wrong,
            "done": counts["posted"] + counts["failed"],
            "faults": [(PROBLEMS[name], *map("{:,}".format, n)) for name, *n in adjusting_by_file.problems(row)],
            "undone_by": live,
            "is_alone": state == "draft" and adjusting_by_file.runs_alone(row),
            "total": f"{row.total:,}",
            "left": f"{budgets.left_of(row.asked_by_id):,}",
            "may_submit": state == "draft" and is_mine and may_ask,
            "may_withdraw": state in {"draft", "asked"} and is_mine and may_ask,
            "may_decide": state == "asked" and not is_mine and request.user.has_perm(APPROVE),
            "may_undo": state == "posted" and not row.undoes_id and live is None and counts["posted"] > 0 and may_ask,
        }

    def _row(self, request, key) -> AdjustmentFile:
        row = self.get_queryset(request).filter(pk=key).first()
        if row is None or not self.has_view_permission(request, row):
            raise Http404
        return row


def _bring(*, by, content: bytes, among, **given) -> AdjustmentFile:
    """Phones that nobody has are counted: else a masked one could be found out by a file of all it may be."""
    if unknown := unknown_phones(content, among):
        quotas.count(f"phones-in-files/{by.id}", times=unknown, **PHONES_UNKNOWN)
    return adjusting_by_file.bring(by=by, content=content, among=among, **given)


def _sums(row: AdjustmentFile, counts: dict[str, int]) -> list[dict]:
    """What a file holds, and how far it has come."""
    found = [
        ("lines", _("Lines"), row.lines, False),
        ("fine", _("In order"), row.lines - row.wrong, False),
        ("wrong", _("Wrong"), row.wrong, row.wrong > 0),
        ("given", _("Points given"), row.given, False),
        ("taken", _("Points taken"), row.taken, False),
    ]
    if row.state in {"running", "posted"}:
        found.append(("posted", _("Points posted"), counts["posted"], False))
        found.append(("failed", _("Failed"), counts["failed"], counts["failed"] > 0))
    return [{"name": n, "title": t, "shown": f"{count:,}", "is_bad": is_bad} for n, t, count, is_bad in found]


@admin.register(AdjustmentRow)
class AdjustmentRowAdmin(HubAdmin):
    within = staticmethod(held("file__"))
    list_display = [
        shown.computed("line", _("Line"), lambda it: it.line),
        shown.computed("known_as", _("Member"), lambda it: it.known_as or shown.EMPTY),
        shown.computed("points", _("Points"), lambda it: shown.EMPTY if it.points is None else f"{it.points:+,}"),
        shown.computed("reason", _("Reason"), lambda it: it.reason.name if it.reason else shown.EMPTY),
        shown.computed("note", _("Note"), lambda it: it.note or shown.EMPTY),
        shown.code("reference", _("Reference")),
        shown.state("state", _("State")),
        shown.computed("problem", _("Problem"), lambda it: PROBLEMS.get(it.problem, shown.EMPTY)),
        shown.link("adjustment", _("Adjustment")),
    ]
    list_select_related = ["reason", "adjustment", "file"]
    list_filter = ["state"]
    ordering = ["file", "line"]
    searches = [search.by_id("file_id"), search.exactly("reference")]
    search_help_text = _("Reference")
    fieldsets = [(None, {"fields": [shown.link("file", _("File")), *list_display]})]


def spreadsheet(table: list[list], name: str) -> HttpResponse:
    """A CSV that spreadsheets read as Chinese, in which no cell is a formula."""
    text = io.StringIO()
    csv.writer(text).writerows([[_harmless(cell) for cell in row] for row in table])
    response = HttpResponse("\ufeff" + text.getvalue(), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


def _harmless(cell: object) -> object:
    text = "" if cell is None else str(cell)
    return f"'{text}" if not isinstance(cell, int) and text.startswith(FORMULA) else text


show_on(
    AdjustmentFile,
    Panel(AdjustmentRow, lambda it: {"file": it}, lambda it: {"q": it.pk}, order=("line",), place=10),
)

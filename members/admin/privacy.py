"""What people asked about their data: the queue by the day it is due, what came of each, what staff enter and close."""

from functools import partial

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import F
from django.http import Http404
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST

from members import erasing, privacy
from members.labels import LABELS
from members.models import ExportFile, Member, PrivacyRequest
from sync.act import Actor
from sync.admin import scope, search, shown
from sync.admin.pages import HubAdmin
from sync.admin.panels import Panel, show_on
from sync.http import Problem

HANDLE = "members.handle_privacyrequest"
KINDS = [(kind.value, kind.label) for kind in privacy.BY_STAFF]
COUNTED = {  # what a receipt counts, beside what a copy calls its parts
    "sessions": _("Sign-ins"),
    "avatars": _("Pictures"),
    "field_writes": _("Writes of fields"),
    "codes": _("Codes"),
    "challenges": _("SMS codes"),
    "exports": _("Copies"),
    "profile": _("Details of the person"),
    "points": _("Points"),
    "entries": _("Points entries"),
    "recipients": _("Recipients"),
    "buyer_notes": _("Notes of the buyer"),
    "payers": _("Payers"),
    "tracking": _("What carriers told"),
    "refund_reasons": _("Reasons of refunds"),
    "shipping_uploads": _("Shipping told to WeChat"),
    "staff_reasons": _("Reasons of staff"),
    "refunds": _("Refunds"),
    "receivers_answers": _("Answers of receivers"),
    "tickets": _("Tickets of sockets"),
    "confirmations": _("Confirmations of sockets"),
    "messages": _("Bodies of messages"),
    "kept_answers": _("Answers kept for repeats"),
    "orders": _("Orders"),
    "payments": _("Payments"),
    "freezes": _("Restrictions"),
    "requests": _("Requests of staff"),
}


class Queue(admin.SimpleListFilter):
    """What is to be done, and what should have been."""

    title, parameter_name = _("queue"), "queue"

    def lookups(self, request, model_admin):
        return [("open", _("Open")), ("overdue", _("Overdue"))]

    def queryset(self, request, queryset):
        if self.value() not in {"open", "overdue"}:
            return queryset
        is_open = queryset.filter(state__in=privacy.OPEN)
        return is_open.filter(due_at__lt=timezone.now()) if self.value() == "overdue" else is_open


def is_overdue(request: PrivacyRequest) -> bool:
    """Whether its day passed while it was open."""
    return request.state in privacy.OPEN and request.due_at < timezone.now()


def _due(request: PrivacyRequest) -> str:
    day = shown.moment(request.due_at)
    return shown.tag(_("Overdue: %(day)s") % {"day": day}, shown.BAD) if is_overdue(request) else day


@admin.register(PrivacyRequest)
class PrivacyRequestAdmin(HubAdmin):
    within = staticmethod(scope.of_member("member_id"))
    list_display = [
        shown.state("kind", _("Kind")),
        shown.link("member", _("Member")),
        shown.state("state", _("State")),
        shown.computed("due", _("Due"), _due),
        shown.computed("reasons", _("What stands in the way"), lambda it: erasing.in_words(it.reasons) or shown.EMPTY),
        shown.at("asked_at", _("Asked at")),
        shown.at("closed_at", _("Closed")),
    ]
    list_select_related = ["member", "channel"]
    list_filter = [Queue, "kind", "state"]
    ordering = [F("closed_at").desc(nulls_first=True), "due_at", "-id"]  # what is open, by its day
    searches = [search.by_number("M", "member__number"), search.by_id("pk", "member_id")]
    search_help_text = _("Member number")
    fieldsets = [
        (None, {"fields": [(list_display[0], list_display[1]), (list_display[2], list_display[3]), list_display[4]]}),
        (
            _("Who and when"),
            {
                "fields": [
                    ("by", "channel"),
                    (list_display[5], shown.at("begun_at", _("Begun"))),
                    (list_display[6], "closed_by"),
                    "note",
                ]
            },
        ),
    ]
    change_form_outer_before_template = "admin/members/privacy.html"

    def get_urls(self):
        wrap = self.admin_site.admin_view
        enter = path("enter/<uuid:key>/", wrap(self.enter), name="members_privacyrequest_enter")
        close = path("<uuid:key>/close/", wrap(require_POST(self.close)), name="members_privacyrequest_close")
        return [enter, close, *super().get_urls()]

    def enter(self, request, key):
        """A page on which staff enter what a member asked for; then the request's own."""
        member = _allowed(request, Member, key)
        form = EnterForm(request.POST or None)
        if form.is_valid():
            entered = partial(privacy.enter, member=member.pk, by=_by(request), **form.cleaned_data)
            made = _attempt(request, entered, _("Entered: it is to be met by its day"))
            if made:
                return redirect("admin:members_privacyrequest_change", made.pk)
        context = self.admin_site.each_context(request) | {
            "title": _("Enter a request about personal data"),
            "opts": PrivacyRequest._meta,
            "member": member,
            "form": form,
        }
        return TemplateResponse(request, "admin/members/enter_privacy.html", context)

    def close(self, request, key):
        """Met or refused, in words; back to its page."""
        row = _allowed(request, PrivacyRequest, key)
        settled = partial(
            privacy.settle,
            request=row.pk,
            met=request.POST.get("met") == "yes",
            words=request.POST.get("words", ""),
            by=_by(request),
        )
        _attempt(request, settled, _("The request is closed"))
        return redirect("admin:members_privacyrequest_change", row.pk)

    def explained(self, request, row) -> dict:
        is_open = row.state in privacy.OPEN
        is_mine = row.kind in privacy.BY_STAFF and request.user.has_perm(HANDLE)
        return {
            "asked": row,
            "may_close": is_open and is_mine,
            "words": row.receipt.get("words", ""),
            "receipt": _receipt(row.receipt) if "gone" in row.receipt else None,
        }


class EnterForm(forms.Form):
    """What a member asked for, in staff's words."""

    kind = forms.ChoiceField(choices=KINDS, label=_("Kind"))
    note = forms.CharField(max_length=200, label=_("What is asked for"))


def _receipt(receipt: dict) -> dict:
    """What went, what stays and why, in words."""
    return {
        "gone": [(_counted(kind), f"{count:,}") for kind, count in receipt["gone"].items()],
        "kept": [
            (_counted(kind), f"{count:,}", erasing.STAYS.get(kind, "")) for kind, count in receipt["kept"].items()
        ],
        "told": ", ".join(receipt["told"]) or shown.EMPTY,
    }


def _counted(kind: str) -> object:
    return COUNTED.get(kind) or LABELS.get(kind) or kind


def _by(request) -> Actor:
    return Actor("staff", str(request.user.pk))


def _allowed(request, model, key):
    """A row that the reader sees and may work on."""
    if not request.user.has_perm(HANDLE):
        raise PermissionDenied
    found = admin.site._registry[model].get_object(request, key)
    if found is None:
        raise Http404
    return found


def _attempt(request, act, done):
    """Run an act and tell what came of it; None when it was refused."""
    try:
        result = act()
    except privacy.NotNow as error:
        messages.error(request, str(error))
        return None
    except Problem as problem:
        messages.error(request, str(problem.detail) or _("This is not possible any more: look at it anew"))
        return None
    messages.success(request, str(done))
    return result


@admin.register(ExportFile)
class ExportFileAdmin(HubAdmin):
    within = staticmethod(scope.of_member("request__member_id"))
    list_display = [
        shown.at("created_at", _("Made at")),
        shown.link("request__member", _("Member")),
        "size",
        shown.at("expires_at", _("Expires")),
        shown.at("fetched_at", _("Fetched")),
    ]
    list_select_related = ["request__member"]
    ordering = ["-created_at"]
    searches = [search.by_number("M", "request__member__number")]
    search_help_text = _("Member number")
    fieldsets = [(None, {"fields": list_display})]


def _way(request, member: Member) -> dict | None:
    if not request.user.has_perm(HANDLE) or member.status in {Member.Status.ERASED, Member.Status.MERGED}:
        return None
    url = reverse("admin:members_privacyrequest_enter", args=[member.pk])
    return {"title": _("Enter a request"), "url": url}


show_on(
    Member,
    Panel(
        PrivacyRequest,
        lambda it: {"member": it},
        lambda it: {"q": it.number},
        without=("member",),
        place=65,
        way=_way,
    ),
)
show_on(
    PrivacyRequest,
    Panel(ExportFile, lambda it: {"request": it}, without=("request__member",), place=10, quiet=True),
)

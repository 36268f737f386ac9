"""Two members that may be one person: the case with what was shown, the merge and the way to undo it."""

from datetime import datetime
from functools import partial

from django.contrib import admin
from django.shortcuts import redirect
from django.urls import path
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST

from members import asking, foreseeing, linking, rules
from members.admin.requests import ASK, attempt, merge_url, require, seen_member
from members.models import Identity, LinkCase, Merge, Request
from sync.admin import scope, search, shown
from sync.admin.pages import HubAdmin

SHOWN = dict(Identity.Kind.choices) | {"old_sign_in": _("Signed in to the other account"), "order_fact": _("An order")}
STRENGTH = {1: _("A channel's word"), 2: _("WeChat"), 3: _("Live proof")}


@admin.register(LinkCase)
class LinkCaseAdmin(HubAdmin):
    within = staticmethod(scope.of_member("member_id"))
    list_display = [
        shown.state("kind", _("Kind")),
        shown.code("mask", _("Value")),
        shown.link("member", _("Member")),
        shown.link("other", _("Other member")),
        shown.state("state", _("State")),
        shown.at("created_at", _("Opened")),
        shown.at("closed_at", _("Closed")),
    ]
    list_select_related = ["member", "other"]
    list_filter = ["state", "kind"]
    ordering = ["-id"]
    searches = [search.by_number("M", "member__number"), search.by_number("M", "other__number")]
    search_help_text = _("Member number")
    fieldsets = [
        (
            None,
            {
                "fields": [
                    (list_display[0], list_display[4]),
                    (list_display[2], list_display[3]),
                    (list_display[1], shown.computed("guesses", _("Orders guessed"), lambda it: it.guesses)),
                    (list_display[5], list_display[6]),
                ]
            },
        ),
    ]
    change_form_outer_before_template = "admin/members/link_case.html"

    def explained(self, request, row) -> dict:
        counting, may_ask = linking.counting(row), row.state == LinkCase.State.OPEN and request.user.has_perm(ASK)
        return {
            "case": row,
            "proofs": [
                {
                    "kind": SHOWN.get(proof["kind"], proof["kind"]),
                    "strength": STRENGTH.get(proof["assurance"], "–"),
                    "at": datetime.fromisoformat(proof["at"]),
                    "counts": proof["kind"] in counting,
                }
                for proof in row.proofs
            ],
            "lasts": int(rules.PROOF_LASTS.total_seconds() // 60),
            "ask_url": merge_url(row.member, other=row.other_id, case=row.pk) if may_ask else "",
        }


@admin.register(Merge)
class MergeAdmin(HubAdmin):
    within = staticmethod(scope.of_member("target_id"))
    list_display = [
        shown.at("at", _("At")),
        shown.state("kind", _("Kind")),
        shown.link("source", _("Absorbed")),
        shown.link("target", _("Survivor")),
        "by",
        shown.computed("why", _("On what grounds"), lambda it: it.why or shown.EMPTY),
        shown.at("undone_at", _("Undone")),
    ]
    list_select_related = ["source", "target"]
    list_filter = ["kind"]
    ordering = ["-id"]
    searches = [search.by_number("M", "target__number"), search.by_number("M", "source__number")]
    search_help_text = _("Member number")
    fieldsets = [  # the journal holds what was absorbed: not for eyes
        (
            None,
            {
                "fields": [
                    (list_display[2], list_display[3]),
                    (list_display[1], list_display[0]),
                    ("by", list_display[5]),
                    (list_display[6], "undone_by"),
                ]
            },
        ),
    ]
    change_form_outer_before_template = "admin/members/parting.html"

    def get_queryset(self, request):
        return super().get_queryset(request).select_related(*self.list_select_related)

    def get_urls(self):
        wrap = self.admin_site.admin_view
        ask = path("<uuid:key>/undo/", wrap(require_POST(self.ask_to_undo)), name="members_merge_undo")
        return [ask, *super().get_urls()]

    def ask_to_undo(self, request, key):
        """Ask for the merge to be undone; somebody else decides."""
        require(request, ASK)
        merge = self.get_queryset(request).filter(pk=key).first()
        both = [seen_member(request, each) for each in ([merge.target_id, merge.source_id] if merge else [None])]
        asked = {"kind": Request.Kind.UNMERGE, "member": both[0].pk, "other": both[1].pk, "merge": merge}
        ask = partial(asking.ask, user=request.user, reason=request.POST.get("words", ""), **asked)
        made = attempt(request, ask, _("Asked for: somebody else decides"))
        return (
            redirect("admin:members_request_change", made.pk)
            if made
            else redirect("admin:members_merge_change", merge.pk)
        )

    def explained(self, request, row) -> dict:
        waiting = Request.objects.filter(merge=row, state=Request.State.ASKED).first()
        return {
            "merge": row,
            "waiting": waiting,
            "seen": None if row.undone_at else foreseeing.of_unmerge(row),
            "until": row.at + rules.UNMERGE_WITHIN,
            "may_ask": not row.undone_at and not waiting and request.user.has_perm(ASK),
        }

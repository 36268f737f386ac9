"""The page where staff ask for a freeze or for its end: nothing happens until somebody else approves."""

from urllib.parse import urlencode

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from members import asking
from members.models import Freeze, Member, Request, Scope
from sync.http import Problem

ASK = "members.freeze_member"
KINDS = {"freeze": Request.Kind.FREEZE, "lift": Request.Kind.UNFREEZE}
LOCAL = "%Y-%m-%dT%H:%M"  # as browsers send it


class LiftForm(forms.Form):
    """Why it is asked for; without names, phones or other personal data."""

    note = forms.CharField(max_length=200, label=_("What led to it"))

    def terms(self) -> dict:
        """What the act needs beside the member."""
        return {}


class FreezeForm(LiftForm):
    """What is frozen, why, and until when; without an end it holds until it is lifted."""

    scopes = forms.MultipleChoiceField(choices=Scope, label=_("What is frozen"))
    reason = forms.ChoiceField(choices=Freeze.Reason, label=_("Reason"))
    until = forms.DateTimeField(required=False, input_formats=[LOCAL], label=_("Until"))

    def clean_until(self):
        until = self.cleaned_data["until"]
        if until and until <= timezone.now():
            raise forms.ValidationError(_("This time has passed"))
        return until

    def terms(self) -> dict:
        given = self.cleaned_data
        until = given["until"] and given["until"].isoformat()
        return {name: given[name] for name in ("scopes", "reason", "note")} | {"until": until}


def url(member: Member) -> str:
    """The page, for a member."""
    return f"{reverse('admin:members_freeze_ask')}?{urlencode({'member': member.pk})}"


def is_there(member: Member) -> bool:
    """Whether there is anybody to freeze."""
    return member.status in {Member.Status.ACTIVE, Member.Status.FROZEN}


def view(page, request):
    """Show what is frozen and ask for something else; who may not ask is refused."""
    if not request.user.has_perm(ASK):
        raise PermissionDenied
    member = _member(request)
    if request.method != "POST":
        return _shown(page, request, member, FreezeForm(initial=_initial(member)))
    is_lift = request.POST.get("act") == "lift"
    form = (LiftForm if is_lift else FreezeForm)(request.POST)
    if not form.is_valid() or not _asked(request, member, form, KINDS["lift" if is_lift else "freeze"]):
        return _shown(page, request, member, form)
    messages.success(request, _("Asked for: somebody else has to approve it"))
    return redirect("admin:members_member_change", member.pk)


def _asked(request, member: Member, form: LiftForm, kind: str) -> bool:
    try:
        asking.ask(kind=kind, member=member.pk, user=request.user, reason=form.cleaned_data["note"], terms=form.terms())
    except Problem as problem:
        form.add_error(None, str(problem.detail))
        return False
    return True


def _member(request) -> Member:
    """A member that the reader sees and that is there."""
    try:
        found = admin.site._registry[Member].get_object(request, request.GET.get("member") or "")
    except ValueError as error:
        raise Http404 from error
    if found is None or not is_there(found):
        raise Http404
    return found


def _initial(member: Member) -> dict:
    """What holds now, to be changed."""
    held = Freeze.objects.filter(member=member, lifted_at=None).first()
    if held is None:
        return {"scopes": [], "reason": "", "note": "", "until": ""}
    until = timezone.localtime(held.expires_at).strftime(LOCAL) if held.expires_at else ""
    return {"scopes": held.scopes, "reason": held.reason, "note": "", "until": until}


def _shown(page, request, member: Member, form: LiftForm):
    values = {name: form.data.get(name, "") for name in ("reason", "note", "until")} if form.is_bound else form.initial
    chosen = form.data.getlist("scopes") if form.is_bound else form.initial["scopes"]
    context = page.admin_site.each_context(request) | {
        "title": _("Freeze"),
        "subtitle": None,
        "opts": Freeze._meta,
        "member": member,
        "held": Freeze.objects.filter(member=member, lifted_at=None).first(),
        "waiting": Request.objects.filter(member=member, kind__in=KINDS.values(), state="asked").exists(),
        "form": form,
        "values": values,
        "scopes": [(code, label, code in chosen) for code, label in Scope.choices],
        "reasons": Freeze.Reason.choices,
    }
    return TemplateResponse(request, "admin/members/freeze.html", context)

"""Policies, and who agreed to them; a guardian's consent is recorded by staff who hold it in their hands."""

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextareaWidget

from members import consent, policies, queries
from members.consent_state import is_minor
from members.models import Consent, Member, Policy
from sync.act import Actor
from sync.admin import scope, search, shown
from sync.admin.pages import ByChannel, HubAdmin
from sync.admin.panels import Panel, show_on
from sync.models import Channel

RECORD, PUBLISH = "members.add_consent", "members.publish_policy"


def by(request) -> Actor:
    """Who acts."""
    return Actor("staff", str(request.user.pk))


class GuardianForm(forms.Form):
    """What staff hold in their hands."""

    evidence = forms.CharField(min_length=4, max_length=200, strip=True)


@admin.register(Consent)
class ConsentAdmin(HubAdmin):
    within = staticmethod(scope.of_member("member_id"))
    list_display = [
        "purpose",
        "version",
        shown.state("act", _("Act")),
        shown.link("member", _("Member")),
        "channel",
        shown.at("at", _("At")),
    ]
    list_select_related = ["member", "channel"]
    list_filter = [ByChannel, "act"]
    ordering = ["-id"]
    searches = [search.by_number("M", "member__number")]
    search_help_text = _("Member number")
    fieldsets = [
        (None, {"fields": [("purpose", "version"), (list_display[2], list_display[5]), (list_display[3], "channel")]}),
        (_("Evidence"), {"fields": ["evidence", "locale", shown.code("text_digest", _("SHA-256 of the text"))]}),
    ]

    def get_urls(self):
        record = path("guardian/<uuid:key>/", self.admin_site.admin_view(self.record), name="members_consent_guardian")
        return [record, *super().get_urls()]

    def record(self, request, key):
        """The page on which a guardian's consent is recorded for a member that the reader sees."""
        if not request.user.has_perm(RECORD):
            raise PermissionDenied
        member = self.admin_site._registry[Member].get_queryset(request).filter(pk=key).first()
        if member is None or member.status == Member.Status.ERASED:
            raise Http404
        form = GuardianForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            consent.record_guardian(member_id=member.pk, evidence=form.cleaned_data["evidence"], by=by(request))
            messages.success(request, str(_("The guardian's consent has been recorded")))
            return redirect("admin:members_member_change", member.pk)
        page = {"title": _("Record a guardian's consent"), "form": form, "member": member, "opts": self.opts}
        return TemplateResponse(request, "admin/members/guardian.html", self.admin_site.each_context(request) | page)


def guardian_link(request, member: Member) -> dict | None:
    """The way to record a guardian's consent, for who may, where it takes one."""
    if request.user.has_perm(RECORD) and is_minor(member.birthday, timezone.now()):
        url = reverse("admin:members_consent_guardian", args=[member.pk])
        return {"title": _("Record a guardian's consent"), "url": url}
    return None


def what_is_allowed(member: Member) -> dict | None:
    """For each purpose in force whether the hub may act on it now; nothing where there are no policies."""
    may, may_not = shown.tag(_("Allowed"), shown.GOOD), shown.tag(_("Not allowed"), shown.QUIET)
    known = queries.current_policies()
    allowed = consent.allowed_of(member.pk, [policy.purpose for policy in known])
    rows = [(policy.title, policy.version, may if policy.purpose in allowed else may_not) for policy in known]
    return {"rows": rows} if rows else None


class PolicyForm(forms.ModelForm):
    """A draft: the text is pasted as it will be read; its hash is kept."""

    locale = forms.ChoiceField(label=_("Language"), choices=settings.LANGUAGES, widget=UnfoldAdminSelectWidget)

    text = forms.CharField(
        label=_("Text, word for word"), widget=UnfoldAdminTextareaWidget, required=False, strip=False,
        help_text=_("Its SHA-256 is kept with every consent. The text itself stays where its address leads."),
    )  # fmt: skip

    class Meta:
        model = Policy
        fields = ["purpose", "version", "locale", "channel", "title", "text_url", "is_required"]
        labels = {"text_url": _("Address of the text")}

    def clean(self):
        """A new draft needs its text."""
        found = super().clean()
        if not found.get("text") and self.instance.pk is None:
            self.add_error("text", _("Paste the text"))
        return found


@admin.register(Policy)
class PolicyAdmin(HubAdmin):
    within = staticmethod(lambda channels: scope.Q(channel=None) | scope.Q(channel__in=channels))
    form = PolicyForm
    list_display = [
        "title",
        "purpose",
        "version",
        "locale",
        shown.computed("channel", _("Channel"), lambda it: it.channel or _("Every channel")),
        shown.yes("is_required", _("Required")),
        shown.computed("state", _("State"), lambda it: shown.tag(*state_of(it))),
        shown.at("published_at", _("Published")),
    ]
    list_select_related = ["channel"]
    list_filter = ["is_current"]
    ordering = ["purpose", "-is_current", "-id"]
    editable = ("title", "text_url", "is_required", "text")
    on_adding = ("purpose", "version", "locale", "channel", "title", "text_url", "text", "is_required")
    fieldsets = [
        (
            None,
            {
                "fields": [
                    "title",
                    ("purpose", "version", "locale"),
                    (list_display[4], "is_required"),
                    (list_display[6], list_display[7]),
                ]
            },
        ),
        (_("Text"), {"fields": ["text_url", shown.code("text_digest", _("SHA-256 of the text"))]}),
    ]
    change_form_outer_before_template = "admin/members/policy.html"

    def has_change_permission(self, request, obj=None):
        return super().has_change_permission(request, obj) and not (obj and obj.published_at)

    def get_fieldsets(self, request, obj=None):
        sets = super().get_fieldsets(request, obj)
        return sets if obj is None or obj.published_at else [*sets, (None, {"fields": ["text"]})]

    def save_model(self, request, obj, form, change):
        """A draft stays one until it is put in force."""
        if text := form.cleaned_data.get("text"):
            obj.text_digest = policies.digest_of(text)
        obj.is_current, obj.published_at = False, None
        super().save_model(request, obj, form, change)

    def get_urls(self):
        act = self.admin_site.admin_view(require_POST(self.publish))
        return [path("<int:key>/publish/", act, name="members_policy_publish"), *super().get_urls()]

    def publish(self, request, key):
        """Put a draft in force; then back to its page."""
        if not request.user.has_perm(PUBLISH):
            raise PermissionDenied
        if not self.get_queryset(request).filter(pk=key).exists():
            raise Http404
        try:
            policies.publish(policy_id=key, by=by(request))
        except policies.Unfit as error:
            messages.error(request, str(error))
        else:
            messages.success(request, str(_("In force: members are asked for it from now on")))
        return redirect("admin:members_policy_change", key)

    def explained(self, request, row) -> dict:
        former = Policy.objects.filter(purpose=row.purpose, channel=row.channel_id, is_current=True)
        is_draft = row.published_at is None and request.user.has_perm(PUBLISH)
        return {"policy": row, "may_publish": is_draft, "former": former.exclude(version=row.version).first()}


def way_to_policy(request, channel: Channel) -> dict | None:
    """The way to a text of a channel's own, for whoever may write one."""
    if not request.user.has_perm("members.add_policy"):
        return None
    return {"title": _("New policy"), "url": f"{reverse('admin:members_policy_add')}?channel={channel.pk}"}


show_on(
    Channel,
    Panel(
        Policy,
        lambda channel: {"pk__in": [policy.pk for policy in queries.current_policies(channel)]},
        without=("state",),
        title=_("Policies members agree to here"),
        way=way_to_policy,
    ),
)


def state_of(policy: Policy) -> tuple:
    """Where a policy stands, and its tone."""
    if policy.is_current:
        return _("In force"), shown.GOOD
    return (_("Retired"), shown.QUIET) if policy.published_at else (_("Draft"), shown.BUSY)

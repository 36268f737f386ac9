"""Earn rules: a draft is edited, compared and activated; what is in force or was is looked at."""

from django import forms
from django.contrib import admin, messages
from django.core.validators import MinValueValidator
from django.db.models import Count
from django.http import Http404
from django.shortcuts import redirect
from django.urls import path
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST
from unfold.admin import StackedInline
from unfold.widgets import UnfoldAdminTextInputWidget

from loyalty.admin import acting, comparing
from loyalty.models import EarnBoost, EarnRule
from loyalty.services import rule_versions
from sync.admin import shown
from sync.admin.pages import HubAdmin
from sync.admin.panels import Panel, show_on

DRAFT, PAID = EarnRule.State.DRAFT, EarnRule.Kind.PAID
DATES = ("starts_at", "ends_at")
BY_KIND = {  # terms that mean something for paying an order, and for a fixed bonus
    True: (("points_per_yuan", "growth_per_yuan"), ("cap_per_order", "cap_per_day"), "valid_days"),
    False: (("fixed_points", "fixed_growth"), "valid_days"),
}
TERMS = (*(name for line in BY_KIND[True][:2] for name in line), *BY_KIND[False][0], "valid_days")
SEVERAL = _("Several are separated by commas")


def patterns(label, help_text=None) -> forms.Field:
    """SKUs, or how they begin."""
    said = format_lazy("{} · {}", SEVERAL, help_text) if help_text else SEVERAL
    field = EarnRule._meta.get_field("includes")
    return field.formfield(label=label, required=False, help_text=said, widget=UnfoldAdminTextInputWidget)


def check_patterns(form: forms.ModelForm, *names: str) -> None:
    """An asterisk means something at the end only."""
    for name in names:
        if any("*" in pattern[:-1] for pattern in form.cleaned_data.get(name) or []):
            form.add_error(name, _("An asterisk stands at the end"))


def check_dates(form: forms.ModelForm) -> None:
    """What ends has begun."""
    starts, ends = (form.cleaned_data.get(name) for name in DATES)
    if starts and ends and ends <= starts:
        form.add_error("ends_at", _("This is not after the beginning"))


class RuleForm(forms.ModelForm):
    """The terms of a draft."""

    includes = patterns(_("only for"), _("SKUs, or how they begin, then an asterisk: TEA-*"))
    excludes = patterns(_("not for"))

    class Meta:
        help_texts = {
            "points_per_yuan": _("Times the multipliers below; what is below one yuan earns nothing"),
            "cap_per_order": _("Empty: as many as it gives"),
            "cap_per_day": _("Days end at midnight in Shanghai"),
            "valid_days": _("Empty: as the programme says"),
            "code": _("Never changes: all versions share it"),
        }

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        for name in {"points_per_yuan", "growth_per_yuan"} & self.fields.keys():
            self.fields[name].validators.append(MinValueValidator(0))

    def clean_code(self):
        """The next version of a rule is drafted on its page."""
        code = self.cleaned_data["code"]
        if EarnRule.objects.filter(code=code).exclude(pk=self.instance.pk).exists():
            raise forms.ValidationError(_("This rule exists: draft its next version on its page"))
        return code

    def clean(self):
        cleaned = super().clean()
        check_patterns(self, "includes", "excludes")
        check_dates(self)
        return cleaned


class BoostForm(forms.ModelForm):
    """A multiplier."""

    includes = patterns(_("only for"))

    def clean(self):
        cleaned = super().clean()
        check_patterns(self, "includes")
        check_dates(self)
        return cleaned


class BoostInline(StackedInline):
    """The multipliers of a rule; frozen with it."""

    model, form, extra = EarnBoost, BoostForm, 0
    fields = [("name", "multiplier"), ("tier", "channel"), "includes", *DATES]
    verbose_name_plural = _("multipliers: of each sort (by tier, by channel, others) the greatest that fits counts")

    def has_view_permission(self, request, obj=None):
        return request.user.has_perm("loyalty.view_earnrule")

    def has_change_permission(self, request, obj=None):
        return obj is not None and obj.state == DRAFT and request.user.has_perm("loyalty.change_earnrule")

    has_add_permission = has_delete_permission = has_change_permission

    def formfield_for_dbfield(self, db_field, request, **kwargs):
        """Tiers and channels are chosen here, not made."""
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        for act in ("add", "change", "delete", "view"):
            setattr(field.widget, f"can_{act}_related", False)
        if hasattr(field, "empty_label"):
            field.empty_label = _("Any")
        return field


def summary(rule: EarnRule) -> str:
    """What a version gives, in a few words."""
    if rule.kind != PAID:
        return _("%(points)s points") % {"points": rule.fixed_points}
    said = _("%(points)s per yuan") % {"points": f"{rule.points_per_yuan.normalize():f}"}
    more = _("multipliers: %(count)s") % {"count": rule.boosts_count} if rule.boosts_count else ""
    return " · ".join(filter(None, [str(said), str(more)]))


@admin.register(EarnRule)
class EarnRuleAdmin(HubAdmin):
    form = RuleForm
    inlines = [BoostInline]
    list_display = [
        shown.computed("version", _("Version"), str),
        "kind",
        shown.state("state", _("State")),
        shown.computed("terms", _("Terms"), summary),
        shown.at("activated_at", _("Activated")),
        shown.at("created_at", _("Created")),
    ]
    list_filter = ["state", "kind"]
    ordering = ["kind", "code", "-version"]
    editable = (*TERMS, "includes", "excludes", *DATES)
    on_adding = ("kind", "code")
    change_form_outer_before_template = "admin/loyalty/rule.html"

    def get_queryset(self, request):
        return super().get_queryset(request).annotate(boosts_count=Count("boosts"))

    def get_fieldsets(self, request, obj=None):
        if obj is None:
            return [(None, {"fields": [self.on_adding], "description": _("Its terms follow on the next page.")})]
        gives = (_("What it gives"), {"fields": BY_KIND[obj.kind == PAID]})
        articles = (_("For which articles"), {"fields": [("includes", "excludes")]})
        when = (_("When it holds"), {"fields": DATES})
        return [gives, articles, when] if obj.kind == PAID else [gives, when]

    def get_inlines(self, request, obj):
        return self.inlines if obj and obj.kind == PAID else []

    def has_change_permission(self, request, obj=None):
        return (obj is None or obj.state == DRAFT) and super().has_change_permission(request, obj)

    def has_delete_permission(self, request, obj=None):
        return obj is not None and self.has_change_permission(request, obj)

    def response_add(self, request, obj, post_url_continue=None):
        return acting.to_page(obj)

    def response_change(self, request, obj):
        """What was saved is compared next."""
        if "_continue" in request.POST or "_addanother" in request.POST:
            return super().response_change(request, obj)
        messages.success(request, _("Saved; this is what it would change"))
        return redirect("admin:loyalty_earnrule_compare", obj.pk)

    def get_urls(self):
        wrap = self.admin_site.admin_view
        return [
            path("<int:key>/compare/", wrap(self.compare), name="loyalty_earnrule_compare"),
            path("<int:key>/draft/", wrap(require_POST(self.draft)), name="loyalty_earnrule_draft"),
            *super().get_urls(),
        ]

    def compare(self, request, key: int):
        """What a draft would change, and putting it in force."""
        rule = self._row(request, key)
        if rule.state != DRAFT:
            return acting.to_page(rule)
        return comparing.view(self, request, rule)

    def draft(self, request, key: int):
        """Begin the next version, or go on with the one begun."""
        rule = self._row(request, key)
        acting.require(request, "loyalty.add_earnrule")
        try:
            return acting.to_page(rule_versions.draft_from(rule.pk))
        except rule_versions.DraftThere as error:
            messages.info(request, error)
            return acting.to_page(error.draft)

    def explained(self, request, row) -> dict:
        draft = EarnRule.objects.filter(code=row.code, state=DRAFT).exclude(pk=row.pk).first()
        return {
            "rule": row,
            "subtitle": str(row),
            "going_draft": draft,
            "may_draft": row.state != DRAFT and draft is None and request.user.has_perm("loyalty.add_earnrule"),
        }

    def _row(self, request, key: int) -> EarnRule:
        acting.require(request, "loyalty.view_earnrule")
        row = self.get_queryset(request).filter(pk=key).first()
        if row is None:
            raise Http404
        return row


@admin.register(EarnBoost)
class EarnBoostAdmin(HubAdmin):
    """All of them side by side; they are edited on the page of their rule while it is a draft."""

    list_display = [
        "name",
        shown.link("rule", _("Earn rule")),
        shown.computed("multiplier", _("Times"), lambda it: f"× {it.multiplier.normalize():f}"),
        shown.computed("tier", _("Tier"), lambda it: it.tier or shown.EMPTY),
        shown.computed("channel", _("Channel"), lambda it: it.channel or shown.EMPTY),
        shown.computed("includes", _("Only for"), lambda it: ", ".join(it.includes) or shown.EMPTY),
        shown.at("starts_at", _("From")),
        shown.at("ends_at", _("Until")),
    ]
    list_select_related = ["rule", "tier", "channel"]
    list_filter = ["rule__state"]
    ordering = ["-rule", "name"]
    fieldsets = [(None, {"fields": [tuple(list_display[:3]), tuple(list_display[3:6]), tuple(list_display[6:])]})]


show_on(EarnRule, Panel(EarnRule, lambda it: {"code": it.code}, title=_("All versions"), order=("-version",), few=20))

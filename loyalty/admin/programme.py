"""The terms: the programme, tiers and what they give."""

from django import forms
from django.contrib import admin
from django.utils.translation import gettext_lazy as _
from unfold.admin import TabularInline

from loyalty.models import Benefit, Programme, Tier
from sync.admin import shown
from sync.admin.pages import HubAdmin
from sync.admin.yuan import YuanField

POINTS = (("validity", "valid_months"), ("grace_days", "notice_days"))
WORTH = (("fen_per_point", "redeem_percent"), "refund_policy")
TIERS = (("qualify_by", "window_months"), ("tier_months", "tier_grace_days"))
STAFF = (("adjust_alone", "adjust_per_day"),)
AT_NEXT = _("A changed threshold counts from a member's next purchase, or at the review of their tier.")


def _named(*groups: tuple) -> tuple[str, ...]:
    return tuple(name for group in groups for line in group for name in ([line] if isinstance(line, str) else line))


class InYuan(HubAdmin):
    """A page whose row keeps one amount in fen: typed in yuan, and read in yuan by whoever may not change it."""

    amount, label = "", ""

    def get_fieldsets(self, request, obj=None):
        may_write = self.has_change_permission(request, obj) if obj else self.has_add_permission(request)
        if may_write:
            return self.fieldsets
        read = shown.money(self.amount, self.label)
        return [(title, told | {"fields": _with(told["fields"], self.amount, read)}) for title, told in self.fieldsets]

    def formfield_for_dbfield(self, db_field, request, **kwargs):
        if db_field.name == self.amount:
            return YuanField(label=self.label, help_text=db_field.help_text)
        return super().formfield_for_dbfield(db_field, request, **kwargs)


def _with(lines, name: str, column) -> list:
    """The lines of a fieldset, `column` in the place of the field of that name."""
    return [
        _with(line, name, column) if isinstance(line, tuple) else column if line == name else line for line in lines
    ]


@admin.register(Programme)
class ProgrammeAdmin(InYuan):
    """One row: the page explains each term, changes leave their history."""

    list_display = [
        shown.computed("terms", _("Terms"), lambda it: str(it)),
        "validity",
        "qualify_by",
        "window_months",
        "tier_months",
        shown.money("fen_per_point", _("Worth of a point")),
        "refund_policy",
    ]
    amount, label = "fen_per_point", _("worth of a point (yuan)")
    editable = on_adding = _named(POINTS, WORTH, TIERS, STAFF)
    fieldsets = [
        (_("How long points live"), {"fields": POINTS}),
        (_("What points are worth"), {"fields": WORTH}),
        (
            _("What tiers follow"),
            {"fields": TIERS, "description": _("No change here takes a tier from anybody before its review.")},
        ),
        (_("How far staff go alone"), {"fields": STAFF}),
    ]

    def has_add_permission(self, request):
        return super().has_add_permission(request) and not Programme.objects.exists()


class BenefitInline(TabularInline):
    """What a tier gives, edited on its page by whoever may edit the tier."""

    model, extra, fields = Benefit, 0, ["code", "name", "value"]

    def has_view_permission(self, request, obj=None):
        return request.user.has_perm("loyalty.view_tier")

    def has_change_permission(self, request, obj=None):
        return request.user.has_perm("loyalty.change_tier")

    has_add_permission = has_delete_permission = has_change_permission


class TierForm(forms.ModelForm):
    """Growth must lead up the same way as spending."""

    def clean(self):
        cleaned = super().clean()
        spending, growth = cleaned.get("threshold_fen"), cleaned.get("threshold_growth")
        if spending is not None and growth is not None:
            others = Tier.objects.exclude(pk=self.instance.pk).filter(threshold_growth__isnull=False)
            if others.filter(threshold_fen__lt=spending, threshold_growth__gte=growth).exists():
                self.add_error("threshold_growth", _("A lower tier takes as much growth"))
            elif others.filter(threshold_fen__gt=spending, threshold_growth__lte=growth).exists():
                self.add_error("threshold_growth", _("A higher tier takes no more growth"))
        return cleaned


@admin.register(Tier)
class TierAdmin(InYuan):
    form = TierForm
    amount, label = "threshold_fen", _("from spending (yuan)")
    list_display = ["name", "code", shown.money("threshold_fen", _("From spending")), "threshold_growth"]
    editable = ("name", "threshold_fen", "threshold_growth")
    on_adding = ("code", "name", "threshold_fen", "threshold_growth")
    fieldsets = [(None, {"fields": [("name", "code"), ("threshold_fen", "threshold_growth")], "description": AT_NEXT})]
    inlines = [BenefitInline]


@admin.register(Benefit)
class BenefitAdmin(HubAdmin):
    """All of them side by side; they are edited on the page of their tier."""

    list_display = ["code", "name", "value", shown.link("tier", _("Tier"))]
    list_select_related = ["tier"]
    ordering = ["tier__threshold_fen", "code"]
    fieldsets = [(None, {"fields": [("name", "code"), ("value", list_display[3])]})]

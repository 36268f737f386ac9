"""Members as staff see them: masked, scoped to their channels, changed only by acts."""

from django.contrib import admin
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import RangeDateTimeFilter

from members.models import (
    Consent,
    Identity,
    LinkCase,
    Member,
    MemberCode,
    Merge,
    Policy,
    Registration,
    Session,
    SmsChallenge,
    WebsiteLogin,
    WechatToken,
)
from sync import events
from sync.admin import scope, search, shown
from sync.admin.pages import ByChannel, HubAdmin
from sync.admin.panels import Panel, show_on
from sync.models import Event
from sync.secret import mask_email, mask_phone


@admin.register(Member)
class MemberAdmin(HubAdmin):
    within = staticmethod(scope.of_member())
    list_display = [
        "number",
        shown.computed("nickname", _("Nickname"), lambda it: it.nickname or shown.EMPTY),
        shown.code("phone_mask", _("Phone")),
        shown.state("status", _("Status")),
        "home_channel",
        shown.at("created_at", _("Registered")),
    ]
    list_select_related = ["home_channel"]
    list_filter = [ByChannel.at("home_channel"), "status", ("created_at", RangeDateTimeFilter)]
    list_filter_submit = True
    ordering = ["-created_at", "-id"]
    searches = [
        search.by_phone("phone_index"),
        search.by_number("M", "number"),
        search.by_last_four("phone_last4"),
        search.by_id("pk"),
        search.by_prefix("nickname"),
    ]
    search_help_text = _("Phone, its last four digits, member number or nickname")
    fieldsets = [
        (None, {"fields": [("number", "nickname"), (shown.state("status", _("Status")), "merged_into")]}),
        (
            _("Person"),
            {
                "fields": [
                    (
                        shown.code("phone_mask", _("Phone")),
                        shown.computed("email", _("E-mail"), lambda it: mask_email(it.email) or shown.EMPTY),
                    ),
                    ("gender", "birthday"),
                ]
            },
        ),
        (
            _("History"),
            {
                "fields": [
                    ("home_channel", "version"),
                    (shown.at("created_at", _("Registered")), shown.at("updated_at", _("Changed"))),
                ]
            },
        ),
    ]


@admin.register(Identity)
class IdentityAdmin(HubAdmin):
    within = staticmethod(scope.of_member("member_id"))
    list_display = [
        shown.state("kind", _("Kind")),
        shown.code("mask", _("Value")),
        shown.code("namespace", _("Namespace")),
        shown.state("proof", _("Proof")),
        shown.link("member", _("Member")),
        "channel",
        shown.at("verified_at", _("Verified")),
        shown.at("last_seen_at", _("Last seen")),
    ]
    list_select_related = ["member", "channel"]
    list_filter = [ByChannel, "kind", "proof"]
    lookups = ("member__id__exact",)
    ordering = ["-id"]
    searches = [search.by_number("M", "member__number"), search.by_id("pk", "member_id")]
    search_help_text = _("Member number")
    fieldsets = [(None, {"fields": [*list_display, "assurance", shown.at("created_at", _("Created"))]})]


@admin.register(Session)
class SessionAdmin(HubAdmin):
    within = staticmethod(scope.of_channel())
    list_display = [
        shown.computed("device", _("Device"), lambda it: it.device or _("Unnamed device")),
        "channel",
        shown.link("member", _("Member")),
        shown.computed(
            "state",
            _("State"),
            lambda it: shown.tag(_("Ended")) if it.revoked_at else shown.tag(_("Signed in"), shown.GOOD),
        ),
        shown.at("created_at", _("Signed in")),
        shown.at("last_seen_at", _("Last seen")),
        shown.at("expires_at", _("Expires")),
    ]
    list_select_related = ["member", "channel"]
    list_filter = [ByChannel]
    ordering = ["-id"]
    searches = [search.by_number("M", "member__number"), search.by_id("pk", "member_id")]
    search_help_text = _("Member number")
    fieldsets = [
        (None, {"fields": [shown.link("member", _("Member")), ("channel", "device"), "assurance"]}),
        (
            _("Times"),
            {
                "fields": [
                    (list_display[4], list_display[5]),
                    (list_display[6], shown.at("stepped_up_at", _("Stepped up"))),
                    (shown.at("revoked_at", _("Ended")), "revoked_reason"),
                ]
            },
        ),
    ]


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
    fieldsets = [(None, {"fields": [*list_display, "evidence", "text_digest"]})]


@admin.register(Policy)
class PolicyAdmin(HubAdmin):
    list_display = [
        "title",
        "purpose",
        "version",
        "locale",
        shown.yes("is_required", _("Required")),
        shown.yes("is_current", _("Current")),
    ]
    list_filter = ["is_current"]
    editable = ("title", "is_required", "is_current")
    on_adding = ("purpose", "version", "locale", "title", "text_url", "text_digest", "is_required", "is_current")
    fieldsets = [
        (None, {"fields": ["title", ("purpose", "version", "locale"), ("is_required", "is_current")]}),
        (_("Text"), {"fields": ["text_url", "text_digest"]}),
    ]


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
    searches = [search.by_number("M", "member__number")]
    search_help_text = _("Member number")
    fieldsets = [(None, {"fields": [*list_display]})]


@admin.register(Merge)
class MergeAdmin(HubAdmin):
    within = staticmethod(scope.of_member("target_id"))
    list_display = [
        shown.state("kind", _("Kind")),
        shown.link("source", _("Absorbed")),
        shown.link("target", _("Survivor")),
        "by",
        shown.at("at", _("At")),
        shown.at("undone_at", _("Undone")),
    ]
    list_select_related = ["source", "target"]
    list_filter = ["kind"]
    ordering = ["-id"]
    searches = [search.by_number("M", "target__number")]
    search_help_text = _("Member number")
    fieldsets = [(None, {"fields": [*list_display]})]  # the journal holds what was absorbed: not for eyes


@admin.register(SmsChallenge)
class SmsChallengeAdmin(HubAdmin):
    within = staticmethod(scope.of_channel())
    list_display = [
        shown.state("purpose", _("Purpose")),
        shown.computed("phone", _("Phone"), lambda it: mask_phone(it.phone)),
        "channel",
        "tries",
        shown.at("created_at", _("Sent")),
        shown.at("used_at", _("Used")),
    ]
    list_select_related = ["channel"]
    list_filter = [ByChannel]
    ordering = ["-id"]
    fieldsets = [(None, {"fields": list_display})]

    def get_queryset(self, request):
        return super().get_queryset(request).defer(None).defer("code_digest")  # the phone is opened for its mask


@admin.register(MemberCode)
class MemberCodeAdmin(HubAdmin):
    within = staticmethod(scope.of_member("member_id"))
    list_display = [shown.at("expires_at", _("Expires")), shown.link("member", _("Member")), "channel"]
    list_select_related = ["member", "channel"]
    ordering = ["-expires_at"]
    fieldsets = [(None, {"fields": [*list_display, shown.at("created_at", _("Created"))]})]


@admin.register(WechatToken)
class WechatTokenAdmin(HubAdmin):
    within = staticmethod(lambda channels: scope.Q(app_id__in=[each.app_id for each in channels]))
    list_display = ["app_id", shown.at("expires_at", _("Expires"))]
    fieldsets = [(None, {"fields": list_display})]


class UnderWay(HubAdmin):
    """A sign-in that is not finished: its key is the hash of a secret, so it has no page."""

    within = staticmethod(scope.of_channel())
    list_display = ["channel", shown.at("expires_at", _("Expires")), shown.at("used_at", _("Used"))]
    list_display_links = None
    list_select_related = ["channel"]
    ordering = ["-expires_at"]


admin.site.register([WebsiteLogin, Registration], UnderWay)


def _of(member):
    return {"member": member}


def _named(member):
    return {"q": member.number}


show_on(
    Member,
    Panel(Identity, _of, _named, without=("member",), place=20),
    Panel(Session, _of, _named, without=("member",), place=50),
    Panel(Consent, _of, _named, without=("member",), place=60),
    Panel(LinkCase, _of, _named, without=("member",), place=70, quiet=True),
    Panel(Merge, lambda it: {"target": it}, _named, without=("target",), place=80, quiet=True),
    Panel(
        Event,
        lambda it: {"subject": events.of_member(it.pk)},
        lambda it: {"q": events.of_member(it.pk)},
        without=("subject",),
        place=90,
    ),
)

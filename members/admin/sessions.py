"""Ways in: sessions, and what is under way to one."""

from django.contrib import admin
from django.utils.translation import gettext_lazy as _

from members.models import MemberCode, Registration, Session, SignInGrant, SmsChallenge, WebsiteLogin, WechatToken
from sync.admin import scope, search, shown
from sync.admin.pages import ByChannel, HubAdmin
from sync.secret import mask_phone


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


@admin.register(SignInGrant)
class SignInGrantAdmin(HubAdmin):
    within = staticmethod(scope.of_channel())
    list_display = [
        shown.at("created_at", _("Created")),
        "channel",
        shown.at("expires_at", _("Expires")),
        shown.at("used_at", _("Used")),
    ]
    list_select_related = ["channel"]
    list_filter = [ByChannel]
    ordering = ["-id"]
    fieldsets = [(None, {"fields": [*list_display, "device"]})]  # whom it names is not for eyes

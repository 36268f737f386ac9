"""Messages to members: WeChat's templates, what people accepted, what was sent, by WeChat or as a text message."""

from django.contrib import admin, messages
from django.utils.translation import gettext_lazy as _

from members import notices
from members.models import MemberNotice, NoticeConsent, NoticeTemplate
from sync.admin import scope, search, shown
from sync.admin.pages import ByChannel, HubAdmin


@admin.register(NoticeTemplate)
class NoticeTemplateAdmin(HubAdmin):
    within = staticmethod(scope.of_channel())
    list_display = [
        "title",
        shown.state("occasion", _("Occasion")),
        "channel",
        shown.code("template_id", _("Template id")),
        shown.yes("is_active", _("Active")),
    ]
    list_select_related = ["channel"]
    list_filter = [ByChannel, "occasion", "is_active"]
    ordering = ["channel", "occasion", "id"]
    editable = ("title", "fields", "page", "is_active")
    on_adding = ("channel", "template_id", "occasion", "title", "fields", "page", "is_active")
    fieldsets = [
        (None, {"fields": ["title", ("channel", "occasion"), "template_id", "is_active"]}),
        (_("Content"), {"fields": ["fields", "page"]}),
    ]


@admin.register(NoticeConsent)
class NoticeConsentAdmin(HubAdmin):
    within = staticmethod(scope.of_channel("template__channel"))
    list_display = [
        shown.link("member", _("Member")),
        shown.link("template", _("Template")),
        "left",
        shown.code("last_result", _("Last answer")),
        shown.at("updated_at", _("Changed")),
    ]
    list_select_related = ["member", "template"]
    list_filter = [ByChannel.at("template__channel")]
    ordering = ["-id"]
    searches = [search.by_number("M", "member__number"), search.by_id("member_id")]
    search_help_text = _("Member number")
    fieldsets = [(None, {"fields": list_display})]


@admin.register(MemberNotice)
class MemberNoticeAdmin(HubAdmin):
    within = staticmethod(scope.of_channel("template__channel"))
    list_display = [
        shown.link("member", _("Member")),
        shown.state("occasion", _("Occasion")),
        shown.state("medium", _("Sent as")),
        shown.code("reference", _("About")),
        shown.state("state", _("State")),
        shown.code("problem", _("What is wrong")),
        "attempts",
        shown.at("created_at", _("Created")),
        shown.at("sent_at", _("Sent")),
    ]
    list_select_related = ["member"]
    list_filter = [ByChannel.at("template__channel"), "medium", "occasion", "state"]
    ordering = ["-id"]
    searches = [search.by_number("M", "member__number"), search.by_id("pk", "member_id")]
    search_help_text = _("Member number")
    actions = ["send_again"]
    fieldsets = [(None, {"fields": [*list_display, shown.at("next_at", _("Next try"))]})]

    def has_resend_permission(self, request) -> bool:
        return request.user.has_perm("members.resend_membernotice")

    @admin.action(description=_("Send the chosen again"), permissions=["resend"])
    def send_again(self, request, queryset):
        done = sum(notices.resend(pk) for pk in queryset.values_list("pk", flat=True))
        left = queryset.count() - done
        if done:
            messages.success(request, _("Sent again: {count}").format(count=done))
        if left:
            messages.warning(request, _("Left alone, for they have not failed: {count}").format(count=left))

"""Beside the member: who wrote which field and when, the picture, the address book. Nobody edits them here."""

from django.contrib import admin
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _

from members.avatars import path_of
from members.models import Address, Avatar, FieldWrite, Member
from sync.admin import scope, search, shown
from sync.admin.pages import ByChannel, HubAdmin
from sync.admin.panels import Panel, show_on
from sync.secret import mask_name, mask_phone


def field_of(write: FieldWrite) -> str:
    """A field as people call it."""
    return Member._meta.get_field(write.field).verbose_name if hasattr(Member, write.field) else write.field


@admin.register(FieldWrite)
class FieldWriteAdmin(HubAdmin):
    within = staticmethod(scope.of_member("member_id"))
    list_display = [
        shown.computed("field", _("Field"), field_of),
        shown.link("member", _("Member")),
        shown.state("rank", _("Written by")),
        "channel",
        shown.subject("by", _("Who")),
        shown.at("at", _("True at")),
        shown.at("received_at", _("Received")),
    ]
    list_select_related = ["member", "channel"]
    list_filter = [ByChannel, "rank"]
    ordering = ["-id"]
    searches = [search.by_number("M", "member__number")]
    search_help_text = _("Member number")
    fieldsets = [(None, {"fields": [*list_display]})]


@admin.register(Avatar)
class AvatarAdmin(HubAdmin):
    within = staticmethod(scope.of_member("member_id"))
    list_display = [
        shown.computed("picture", _("Picture"), lambda it: picture(it)),
        shown.link("member", _("Member")),
        shown.at("created_at", _("Uploaded")),
    ]
    list_select_related = ["member"]
    ordering = ["-created_at"]
    searches = [search.by_number("M", "member__number")]
    search_help_text = _("Member number")
    fieldsets = [(None, {"fields": list_display})]


def picture(avatar: Avatar) -> str:
    """The picture itself, small."""
    return format_html('<img class="hub-avatar" src="{}" alt="" width="48" height="48">', path_of(avatar.pk))


@admin.register(Address)
class AddressAdmin(HubAdmin):
    """Masked: whoever has to send something reads the recipient of the order, with a reason."""

    within = staticmethod(scope.of_member("member_id"))
    list_display = [
        shown.computed("receiver", _("Receiver"), lambda it: mask_name(it.receiver)),
        shown.computed("phone", _("Phone"), lambda it: format_html("<code>{}</code>", mask_phone(it.phone))),
        shown.computed("place", _("Place"), lambda it: f"{it.province} {it.city} ****"),
        shown.yes("is_default", _("Default")),
        shown.link("member", _("Member")),
        shown.at("updated_at", _("Changed")),
    ]
    list_select_related = ["member"]
    ordering = ["-id"]
    searches = [search.by_number("M", "member__number")]
    search_help_text = _("Member number")
    fieldsets = [(None, {"fields": list_display})]

    def get_queryset(self, request):
        return super().get_queryset(request).defer(None)  # its columns are shown, masked


def _of(member):
    return {"member": member}


show_on(
    Member,
    Panel(Avatar, _of, without=("member",), place=11, quiet=True),
    Panel(
        FieldWrite, _of, without=("member",), title=_("Who wrote the profile"), place=12, quiet=True, order=("field",)
    ),
    Panel(Address, _of, without=("member",), place=65, quiet=True),
)

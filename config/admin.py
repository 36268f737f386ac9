"""Staff and their roles."""

from django import forms
from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group, User
from django.core.exceptions import PermissionDenied
from django.utils.translation import gettext_lazy as _
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from config import roles
from sync.admin import search, shown
from sync.admin.pages import HubAdmin
from sync.admin.scope import sight
from sync.models import Channel

admin.site.unregister([User, Group])


class RoleChoice(forms.ModelMultipleChoiceField):
    """Roles by their titles."""

    def label_from_instance(self, group):
        return str(roles.TITLES.get(group.name, group.name))


class StaffForm(UserChangeForm):
    """A person, the role they have and the channels they look at."""

    groups = RoleChoice(
        Group.objects.order_by("id"), required=False, label=_("Roles"), widget=UnfoldAdminCheckboxSelectMultipleWidget
    )
    channels = forms.ModelMultipleChoiceField(
        Channel.objects.all(),
        required=False,
        label=_("Channels"),
        help_text=_("Members, orders and messages of these channels are shown to this person"),
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
    )

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.fields["channels"].initial = roles.granted(self.instance)


@admin.register(User)
class StaffAdmin(HubAdmin, DjangoUserAdmin):
    form, add_form, change_password_form = StaffForm, UserCreationForm, AdminPasswordChangeForm
    list_display = [
        "username",
        shown.computed("full_name", _("Name"), lambda user: user.get_full_name() or shown.EMPTY),
        shown.computed(
            "roles",
            _("Roles"),
            lambda user: ", ".join(str(roles.TITLES.get(g.name, g.name)) for g in user.groups.all()),
        ),
        shown.yes("is_active", _("Active")),
        shown.yes("is_superuser", _("Everything"), good=False),
        shown.at("last_login", _("Last sign-in")),
    ]
    list_filter = ["is_active", "groups"]
    searches = [search.by_prefix("username")]
    search_help_text = _("How the name begins")
    editable = ("first_name", "last_name", "email", "is_active", "is_staff", "groups", "channels")
    on_adding = ("username", "usable_password", "password1", "password2")
    filter_horizontal = ()
    fieldsets = [
        (None, {"fields": ["username", ("first_name", "last_name"), "email"]}),
        (_("What they may do"), {"fields": [("is_active", "is_staff"), "groups", "channels"]}),
        (_("History"), {"fields": [(shown.at("last_login", _("Last sign-in")), shown.at("date_joined", _("Since")))]}),
    ]
    add_fieldsets = [(None, {"fields": ["username", "usable_password", "password1", "password2"]})]

    def get_queryset(self, request):
        return super().get_queryset(request).prefetch_related("groups")

    def get_fieldsets(self, request, obj=None):
        return self.fieldsets if obj else self.add_fieldsets

    @admin.display(description=_("Channels"))
    def channels(self, user):
        """For those who may only read; else the form's own field is shown."""
        return ", ".join(each.name for each in roles.granted(user)) or shown.EMPTY

    def has_change_permission(self, request, obj=None):
        """Who may do everything is changed only by one who may."""
        allowed = super().has_change_permission(request, obj)
        return allowed and (obj is None or not obj.is_superuser or request.user.is_superuser)

    def user_change_password(self, request, id, form_url=""):
        """Whoever chooses a password can be that person: only of one who looks at no channel beyond one's own."""
        target = self.get_object(request, id)
        if target is None or not self.has_change_permission(request, target):
            raise PermissionDenied
        if set(roles.granted(target)) - set(sight(request).channels):
            raise PermissionDenied
        return super().user_change_password(request, id, form_url)

    def save_related(self, request, form, formsets, change):
        """Grant what was chosen among the channels that whoever grants holds; leave the others as they are."""
        super().save_related(request, form, formsets, change)
        if change:
            mine = {channel.pk for channel in sight(request).channels}
            chosen = [channel for channel in form.cleaned_data["channels"] if channel.pk in mine]
            kept = [channel for channel in roles.granted(form.instance) if channel.pk not in mine]
            roles.grant(form.instance, [*chosen, *kept])


@admin.register(Group)
class RoleAdmin(HubAdmin, DjangoGroupAdmin):
    """Roles are written by `manage.py roles`: here they are read."""

    list_display = [
        shown.computed("title", _("Role"), lambda group: str(roles.TITLES.get(group.name, group.name))),
        "name",
    ]
    filter_horizontal = ()
    searches = []
    fieldsets = [
        (None, {"fields": list_display}),
        (
            _("What they may do"),
            {
                "fields": [
                    shown.computed(
                        "permissions",
                        _("Permissions"),
                        lambda group: ", ".join(str(each.name) for each in group.permissions.all()),
                    )
                ]
            },
        ),
    ]

"""Roles are written by command, exactly as the table says."""

import pytest
from django.contrib.auth.models import Group, User
from django.core.management import call_command

from config import roles
from sync.models import Channel, SharingGroup

pytestmark = pytest.mark.django_db


@pytest.fixture
def channels():
    group = SharingGroup.objects.create(code="brand", name="Brand")
    return [
        Channel.objects.create(code=code, name=code, kind="website", group=group)
        for code in ("website", "mini-program")
    ]


def person(role, channels=()):
    roles.apply()
    user = User.objects.create_user(role)
    roles.enrol(user, role, channels)
    return User.objects.get(pk=user.pk)


def test_the_command_may_run_any_number_of_times():
    call_command("roles", verbosity=0)
    before = {group.name: set(group.permissions.values_list("codename", flat=True)) for group in Group.objects.all()}

    call_command("roles", verbosity=0)

    after = {group.name: set(group.permissions.values_list("codename", flat=True)) for group in Group.objects.all()}
    assert before == after
    assert set(after) == set(roles.ROLES)


def test_a_permission_added_by_hand_is_taken_away_again():
    roles.apply()
    operator = Group.objects.get(name="operator")
    operator.permissions.add(*Group.objects.get(name="administrator").permissions.all())

    roles.apply()

    assert not operator.permissions.filter(codename__startswith="change_").exists()


def test_an_operator_looks_and_cannot_change():
    operator = person("operator")
    assert operator.has_perm("orders.view_order")
    assert not [name for name in operator.get_all_permissions() if ".view_" not in name]


def test_a_manager_has_the_dashboard_and_an_operator_has_not():
    assert person("manager").has_perm("config.view_dashboard")
    assert not person("operator").has_perm("config.view_dashboard")


def test_a_role_that_names_an_unknown_permission_is_refused(monkeypatch):
    monkeypatch.setitem(roles.ROLES, "dreamer", {"orders.fly_order"})
    with pytest.raises(roles.UnknownPermission, match=r"orders\.fly_order"):
        roles.apply()
    assert not Group.objects.filter(name="dreamer").exists()


def test_channels_are_granted_and_taken_back_one_by_one(channels):
    operator = person("operator", channels)
    assert set(roles.granted(operator)) == set(channels)

    roles.grant(operator, channels[:1])

    assert list(roles.granted(operator)) == channels[:1]
    assert User.objects.get(pk=operator.pk).has_perm("sync.view_channel", channels[0])

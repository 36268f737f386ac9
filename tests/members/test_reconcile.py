"""What does not agree about a member is named; what agrees is not."""

import pytest
from django.db import connection

from members import reconcile
from sync.models import Discrepancy
from sync.reconcile import Mismatch, run
from tests import make
from tests.members.make_freezes import frozen, lifted

pytestmark = pytest.mark.django_db
ALL = [reconcile.phones, reconcile.freezes, reconcile.left_behind]


def execute(sql: str, *values) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql, values)


@pytest.fixture
def member():
    return make.member(phone="+8613800138000")


@pytest.mark.parametrize("compare", ALL)
def test_members_in_order_are_not_named(compare, member, django_assert_num_queries):
    frozen(make.member(), "points")
    lifted(frozen(make.member()).member)
    with django_assert_num_queries(1):
        assert list(compare()) == []


def test_a_phone_without_its_proof_is_named(member):
    member.identities.all().delete()
    found = [Mismatch(f"member/{member.pk}", "phone", "a verified phone", "none")]
    assert list(reconcile.phones()) == found


def test_a_freeze_that_nobody_laid_is_named(member):
    execute("UPDATE members_member SET status = 'frozen', frozen_scopes = '{points}' WHERE id = %s", member.pk)
    assert list(reconcile.freezes()) == [Mismatch(f"member/{member.pk}", "frozen_scopes", "", "points")]


def test_a_freeze_that_somebody_undid_by_hand_is_named(member):
    frozen(member, "points")
    execute("UPDATE members_member SET status = 'active', frozen_scopes = '{}' WHERE id = %s", member.pk)
    assert list(reconcile.freezes()) == [Mismatch(f"member/{member.pk}", "frozen_scopes", "points", "")]


def test_an_identity_of_who_left_is_named_until_it_is_gone(member):
    execute("UPDATE members_member SET status = 'erased' WHERE id = %s", member.pk)
    for _twice in range(2):
        run("members.reconcile.left_behind")
        assert Discrepancy.objects.filter(resolved_at=None).values_list("subject", "found").get() == (
            f"member/{member.pk}",
            "1",
        )
    member.identities.all().delete()
    run("members.reconcile.left_behind")
    assert not Discrepancy.objects.filter(resolved_at=None).exists()

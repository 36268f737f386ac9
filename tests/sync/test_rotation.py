"""New keys while the hub runs: everything opens and is found before, during and after; nothing becomes double."""

import pytest
from django.core.checks import Tags, run_checks
from django.core.management import CommandError, call_command
from django.db import IntegrityError

from members.models import Identity, Member
from orders.models import Recipient
from sync import rotation
from sync.indexing import indexed
from sync.secret import blind_index
from tests import make
from tests.orders import make_orders

pytestmark = pytest.mark.django_db
OLD, NEW = b"o" * 32, b"n" * 32
PHONE = "+8613800138000"


@pytest.fixture(autouse=True)
def before(settings):
    settings.INDEX_KEYS, settings.FIELD_KEYS = {1: OLD}, {1: OLD}


@pytest.fixture
def member():
    return make.member(phone=PHONE, email="ming@example.cn")


def found() -> list[Member]:
    return list(Member.objects.filter(phone_index=blind_index("phone", PHONE)))


def run() -> None:
    for _step in rotation.rotate():
        pass


def missed() -> list[str]:
    """What a deployment's check of the database says of rows that nobody would find."""
    errors = run_checks(tags=[Tags.database], databases=["default"])
    return [error.msg for error in errors if error.id == "sync.E002"]


def test_every_step_of_a_new_index_key_finds_everybody(settings, member):
    order = make_orders.order(member=member)
    Recipient.objects.create(order=order, contact='{"phone": "+8613800138000", "name": "明"}')
    assert found() == [member]

    settings.INDEX_KEYS = {1: OLD, 2: NEW}  # both are written, the old one is looked up by
    assert found() == [member]
    run()
    settings.INDEX_KEYS = {2: NEW, 1: OLD}  # both are written, the new one is looked up by
    assert found() == [member]
    assert Identity.objects.get(kind="phone", value_index=blind_index("phone", PHONE)).member == member
    assert Recipient.objects.filter(phone_index__in=[blind_index("phone", PHONE)]).count() == 1
    settings.INDEX_KEYS = {2: NEW}  # the old one is gone
    assert found() == [member]
    run()

    assert rotation.left() == {}
    kept = Member.objects.values_list("phone_index", "phone_index_2").get()
    assert (kept[0], bytes(kept[1])) == (None, blind_index("phone", PHONE))


def test_who_is_new_meanwhile_is_found_by_both_keys(settings):
    settings.INDEX_KEYS = {1: OLD, 2: NEW}
    member = make.member(phone=PHONE)
    settings.INDEX_KEYS = {2: NEW, 1: OLD}
    assert found() == [member]


@pytest.mark.parametrize("keys", [{1: OLD, 2: NEW}, {2: NEW, 1: OLD}])
def test_one_phone_stays_one_member_while_keys_change(settings, member, keys):
    settings.INDEX_KEYS = {1: OLD, 2: NEW}
    run()
    settings.INDEX_KEYS = keys
    with pytest.raises(IntegrityError, match="once"):
        make.member(phone=PHONE)


def test_the_second_column_refuses_a_double_by_itself(settings, member):
    settings.INDEX_KEYS = {1: OLD, 2: NEW}
    run()
    settings.INDEX_KEYS = {2: NEW}
    with pytest.raises(IntegrityError, match="once_2"):
        make.member(phone=PHONE)


def test_a_key_put_first_too_early_is_refused_at_the_next_deployment(settings, member):
    settings.INDEX_KEYS = {2: NEW, 1: OLD}
    assert "1 rows of members_member" in " ".join(missed())
    run()
    assert missed() == []


def test_what_an_old_field_key_sealed_is_sealed_anew(settings, member):
    settings.FIELD_KEYS = {2: NEW, 1: OLD}
    run()
    settings.FIELD_KEYS = {2: NEW}
    again = Member.objects.get()
    assert (again.email, again.phone, again.version) == ("ming@example.cn", PHONE, 1)
    assert Identity.objects.get().value == PHONE
    assert indexed(again, "phone_index") == blind_index("phone", PHONE)


def test_it_can_be_stopped_and_begun_again(settings, monkeypatch):
    monkeypatch.setattr(rotation, "BATCH", 2)
    for _each in range(5):
        make.member(phone=make.mobile())
    settings.FIELD_KEYS = {2: NEW, 1: OLD}
    steps = rotation.Table(Member).rotate()
    assert next(steps) == 2
    steps.close()
    assert rotation.Table(Member).count() == 3
    assert sum(rotation.Table(Member).rotate()) == 3
    assert sum(rotation.Table(Member).rotate()) == 0


def test_the_command_says_how_far_it_is(settings, member, capsys):
    settings.FIELD_KEYS = {2: NEW, 1: OLD}
    with pytest.raises(CommandError, match="Not everything"):
        call_command("rotate", "--check")
    call_command("rotate")
    said = capsys.readouterr().out
    assert "members_member: 1 of 1" in said
    assert "keys that stand behind the first may be removed" in said
    call_command("rotate", "--check")


def test_every_table_that_keeps_something_encrypted_is_in_it():
    named = {table.name for table in rotation.tables()}
    assert {"members_member", "members_identity", "members_address", "orders_recipient", "sync_channel"} <= named
    assert all(table.model._meta.pk.name == "id" for table in rotation.tables())

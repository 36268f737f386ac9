"""Fixed bonuses: for registering, a birthday, a first sign-in; once per person whatever becomes of the member."""

from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import pytest
from django.db import IntegrityError

from loyalty.models import Account, Bonus, Entry, Lot
from loyalty.services import bonuses
from members.models import Member
from sync import clock
from sync.secret import blind_index
from tests import make, plans
from tests.loyalty.make_points import at_once, balance, drifted, rule, tiers

pytestmark = pytest.mark.django_db(transaction=True)
PHONE = "+8613712345678"


def active(kind: str, points: int = 88, **fields):
    """An active rule of a fixed bonus, since a minute ago."""
    known = {"kind": kind, "code": kind.replace("_", "-"), "fixed_points": points, "points_per_yuan": 0}
    since = fields.pop("activated_at", clock.now() - timedelta(minutes=1))
    return rule(**known | {"activated_at": since} | fields)


def today() -> date:
    return clock.now().astimezone(bonuses.SHANGHAI).date()


def leave(member: Member) -> None:
    """What an erasure leaves of a member: no identity, no phone."""
    member.identities.all().delete()
    Member.objects.filter(pk=member.pk).update(
        status="erased", phone=None, phone_index=None, phone_mask="", phone_last4=""
    )


def test_who_registers_gets_it_once_and_is_told():
    terms, member = active("registration", valid_days=10), make.member(phone=PHONE)

    assert bonuses.sweep("registration") == 1
    before = make.snapshot()
    assert bonuses.sweep("registration") == 0

    assert make.snapshot() == before
    entry = Entry.objects.get()
    assert (entry.reference, entry.points, entry.rule) == ("bonus:registration", 88, terms)
    assert Lot.objects.get().expires_at < clock.now() + timedelta(days=12)
    assert make.types_of(member) == ["points.earned"]
    assert balance(member) == (88, 0, 0, 0)
    assert drifted() == []


@pytest.mark.parametrize("kind", ["registration", "birthday", "sign_in"])
def test_without_a_rule_nobody_gets_anything(kind):
    make.session(make.member(phone=PHONE, birthday=today()))
    active(kind, state="draft")
    before = make.snapshot()
    assert bonuses.sweep(kind) == 0
    assert make.snapshot() == before


@pytest.mark.parametrize("fields", [{"fixed_points": 0}, {"ends_at": make.LONG_AGO}])
def test_a_rule_that_gives_nothing_now_gives_nothing(fields):
    make.member(phone=PHONE)
    active("registration", **fields)
    assert bonuses.sweep("registration") == 0


def test_who_registered_before_the_rule_gets_nothing():
    make.member(phone=PHONE, created_at=clock.now() - timedelta(hours=1))
    active("registration")
    assert bonuses.sweep("registration") == 0


@pytest.mark.parametrize("standing", [make.FROZEN, {"status": "erased"}], ids=["frozen", "erased"])
def test_only_active_members_get_it(standing):
    active("registration"), make.member(phone=PHONE, **standing)
    assert bonuses.sweep("registration") == 0
    assert not Bonus.objects.exists()


def test_neither_the_absorbed_nor_who_proved_nothing_gets_it():
    active("registration")
    claimed = make.member()
    make.identity(claimed, "phone", "+8613700000001", proof="asserted")
    make.identity(make.member(status="merged", merged_into=claimed), "phone", "+8613700000002")
    assert bonuses.sweep("registration") == 0
    assert not Bonus.objects.exists()


def test_an_erased_phone_that_returns_gets_none():
    active("registration")
    leaver = make.member(phone=PHONE, unionid="u-1")
    bonuses.sweep("registration")
    leave(leaver)
    returned = make.member(phone=PHONE, openid="o-new")

    assert bonuses.sweep("registration") == 0

    assert balance(returned) == (0, 0, 0, 0)
    before = make.snapshot()
    assert bonuses.sweep("registration") == 0  # remembered: not tried again
    assert make.snapshot() == before
    leave(returned)
    make.member(openid="o-new")  # what came with the phone is known by now
    assert bonuses.sweep("registration") == 0


@pytest.mark.parametrize("known", [{"phone": PHONE}, {"openid": "o-1"}, {"unionid": "u-1"}])
def test_each_identity_that_returns_is_known(known):
    active("registration")
    leaver = make.member(phone=PHONE, openid="o-1", unionid="u-1")
    bonuses.sweep("registration")
    leave(leaver)
    make.member(**known)
    assert bonuses.sweep("registration") == 0


def test_the_same_text_of_another_kind_is_somebody_else():
    active("registration")
    leave(make.member(openid="x-1"))
    make.member(openid="x-1")
    bonuses.sweep("registration")
    make.member(unionid="x-1")
    assert bonuses.sweep("registration") == 1


def test_what_is_kept_tells_nobody_who_it_was():
    active("registration"), make.member(phone=PHONE)
    bonuses.sweep("registration")
    kept = {bytes(each.key) for each in Bonus.objects.all()}
    assert blind_index("phone", PHONE) not in kept
    assert {len(key) for key in kept} == {32}


def test_two_sweeps_at_once_give_it_once_to_each():
    active("registration")
    members = [make.member(phone=make.mobile(), openid=f"o-{n}") for n in range(10)]

    found = at_once(8, lambda _n: bonuses.sweep("registration"))

    assert sum(found) == 10
    assert {balance(each) for each in members} == {(88, 0, 0, 0)}
    assert [make.types_of(each) for each in members] == [["points.earned"]] * 10


def test_a_birthday_is_kept_every_year_once():
    active("birthday")
    member = make.member(phone=PHONE, birthday=today().replace(year=1992))
    make.member(phone=make.mobile(), birthday=today() - timedelta(days=1_000))  # another day of every year
    make.member(phone=make.mobile())

    assert (bonuses.sweep("birthday"), bonuses.sweep("birthday")) == (1, 0)

    assert Entry.objects.get().reference == f"bonus:birthday:{today().year}"
    assert set(Bonus.objects.values_list("account__member", "period")) == {(member.pk, str(today().year))}


def test_a_birthday_moved_to_another_day_is_not_kept_twice():
    active("birthday")
    member = make.member(phone=PHONE, birthday=today())
    bonuses.sweep("birthday")
    leave(member)
    make.member(phone=PHONE, birthday=today())
    assert bonuses.sweep("birthday") == 0


@pytest.mark.parametrize(
    ("day", "kept"),
    [
        (date(2026, 2, 28), [28, 29]),
        (date(2028, 2, 28), [28]),
        (date(2028, 2, 29), [29]),
        (date(2026, 3, 1), [1]),
        (date(2026, 11, 30), [30]),
    ],
)
def test_the_29th_of_february_is_kept_on_the_28th_in_common_years(day, kept):
    assert bonuses.birthday_on(day) == kept


def test_who_was_born_on_the_29th_is_found_on_the_28th():
    active("birthday")
    born = make.member(phone=PHONE, birthday=date(1996, 2, 29))
    make.member(phone=make.mobile(), birthday=date(1996, 2, 27))
    asked = {"kind": "birthday", "month": 2, "days": bonuses.birthday_on(date(2027, 2, 28)), "year": "2027"}
    found = bonuses._asked(bonuses.BORN, asked | {"after": UUID(int=0), "batch": 5})
    assert [row[1] for row in found] == [born.pk]


def test_the_first_sign_in_on_each_channel_counts_once():
    active("sign_in")
    member = make.member(phone=PHONE)
    for channel in ("website", "website", "mini-program"):
        make.session(member, channel)

    assert bonuses.sweep("sign_in") == 2
    make.session(member, "website")
    assert bonuses.sweep("sign_in") == 0

    assert set(Entry.objects.values_list("reference", "channel__code")) == {
        ("bonus:sign-in:website", "website"),
        ("bonus:sign-in:mini-program", "mini-program"),
    }


def test_who_signed_in_before_the_rule_does_not_sign_in_for_the_first_time():
    active("sign_in")
    member = make.member(phone=PHONE)
    make.session(member, created_at=clock.now() - timedelta(hours=1))
    make.session(member)
    assert bonuses.sweep("sign_in") == 0


def test_a_cap_of_a_day_holds():
    active("sign_in", points=80, cap_per_day=100)
    member = make.member(phone=PHONE)
    make.session(member, "website"), make.session(member, "mini-program"), make.session(member, "app")

    assert bonuses.sweep("sign_in") == 2

    assert balance(member) == (100, 0, 0, 0)
    assert set(Bonus.objects.values_list("period", flat=True)) < {"website", "mini-program", "app"}


def test_growth_is_given_once_and_counts_towards_the_tier():
    tiers()
    active("registration", points=0, fixed_growth=50)
    member = make.member(phone=PHONE, openid="o-1")

    assert (bonuses.sweep("registration"), bonuses.sweep("registration")) == (1, 0)

    assert sorted(Bonus.objects.values_list("growth", flat=True)) == [0, 0, 50]
    assert Account.objects.get(member=member).version > 0


def test_many_are_given_in_bounded_pieces(monkeypatch):
    monkeypatch.setattr(bonuses, "BATCH", 2)
    active("registration")
    for _ in range(5):
        make.member(phone=make.mobile())
    assert bonuses.sweep("registration") == 5


def test_a_thorough_sweep_finds_what_a_quick_one_missed():
    active("registration", activated_at=clock.now() - timedelta(days=9))
    late = clock.now() - timedelta(days=2)
    make.member(phone=PHONE, id=bonuses._first_id(late), created_at=late)
    assert bonuses.sweep("registration") == 0
    assert bonuses.sweep("registration", back=bonuses.LONG_AGO) == 1


def test_candidates_are_found_by_index():
    asked = {"kind": "x", "activated": datetime.now(UTC), "batch": 5, "after": UUID(int=0)}
    asked |= {"month": 2, "days": [28], "year": "2026"}
    found = {kind: plans.of(sql, asked) for kind, sql in bonuses.CANDIDATES.items()}
    assert "member_by_birthday" in found["birthday"] or "members_member_pkey" in found["birthday"]
    assert "Seq Scan on members_member" not in "".join(found.values())


def test_a_person_has_a_bonus_once_says_the_database():
    row = {"kind": "registration", "period": "", "key": b"1"}
    Bonus.objects.create(**row)
    with pytest.raises(IntegrityError, match="bonus_once_per_person"):
        Bonus.objects.create(**row)

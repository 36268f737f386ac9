"""What a bank examiner would try."""

import re
from contextlib import suppress
from uuid import uuid4

import pytest
from django.db import connection, transaction

from loyalty import ledger, services
from loyalty.models import Account
from loyalty.records import Loyalty
from loyalty.services import bonuses
from members.models import Identity
from sync import clock, events
from sync.act import SYSTEM, act
from tests import make, plans
from tests.loyalty.make_holds import hold
from tests.loyalty.make_points import at_once, balance, execute, holder, post, posting, rule
from tests.loyalty.make_purchases import buy, refund
from tests.loyalty.test_bonuses import PHONE, active, leave
from tests.loyalty.test_parting import books_agree, part
from tests.loyalty.test_records import absorb

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_hold_of_the_source_stays_with_a_lot_that_stays():
    source, target = holder(100), make.member()
    first = hold(source, 30, "before")
    kept = absorb(source, target)
    second = hold(target, 50, "since")

    part(source, target, kept)
    assert books_agree()
    services.release(hold=first.pk, by=make.BACKEND)
    services.capture(hold=second.pk, by=make.BACKEND)

    assert books_agree()
    assert balance(source)[0] + balance(target)[0] == 50


def test_points_that_wait_for_staff_pay_no_refund():
    rule()
    member = make.member()
    buy(member, [10_000])
    services.spend(member=member.pk, points=100, reference="s", by=make.BACKEND)
    place = make.channel()
    place.earn_per_entry = 10
    place.save()
    big = services.book(member=member.pk, channel=place, kind="earn", points=1000, reference="big", by=make.BACKEND)
    assert balance(member) == (0, 1000, 0, 0)

    refund([10_000])
    assert balance(member) == (0, 1000, 0, 100)
    services.turn_down(lot=big.entry.pk, by=SYSTEM)

    assert balance(member) == (0, 0, 0, 100)
    assert books_agree()


def test_an_act_that_swallows_a_refusal_of_its_part_does_not_seem_done():
    member = holder(10)

    @act
    def careless():
        with suppress(services.NotEnough):
            services.spend(member=member.pk, points=50, reference="s", by=make.BACKEND)
        events.record("points.earned", subject=events.of_member(member.pk), data={}, by=SYSTEM)
        return "done"

    before = make.snapshot()
    with pytest.raises(transaction.TransactionManagementError):
        careless()
    assert make.snapshot() == before


def test_capturing_reads_the_draws_of_its_own_hold_only():
    with connection.cursor() as cursor:
        cursor.execute("SELECT prosrc FROM pg_proc WHERE proname = 'loyalty_unhold'")
        asked = re.search(r"SELECT lot_id, sum\(held\).*?GROUP BY lot_id", cursor.fetchone()[0], re.DOTALL)[0]
    assert "Index Cond: (entry_id = ANY" in plans.of(asked.replace("p_hold", f"'{uuid4()}'::uuid"))


def test_whoever_returns_by_an_identity_linked_later_is_given_no_bonus_again():
    active("registration")
    member = make.member(phone=PHONE)
    bonuses.sweep("registration")
    named = {"kind": "wechat_unionid", "namespace": "open", "value": "u1", "proof": "verified"}
    Identity.objects.create(member=member, verified_at=clock.now(), **named)
    act(Loyalty().erase)(member.pk)
    leave(member)
    returned = make.member()
    Identity.objects.create(member=returned, verified_at=clock.now(), **named)

    assert bonuses.sweep("registration") == 0


def test_a_channel_gives_no_more_in_a_day_however_many_ask_at_once():
    place = make.channel()
    type(place).objects.filter(pk=place.pk).update(earn_per_day=100)
    place.refresh_from_db()
    people = [make.member() for _n in range(12)]

    def one(n):
        asked = {"member": people[n].pk, "channel": place, "points": 40, "reference": f"r{n}"}
        return services.book(kind="earn", by=make.BACKEND, **asked)

    made = at_once(12, one)
    assert not [m for m in made if isinstance(m, Exception)], made
    assert sum(balance(each)[0] for each in people) <= 100


def test_what_a_channel_has_given_today_is_read_from_an_index_of_what_channels_give():
    plan = plans.of(ledger.GIVEN_TODAY, [make.member().pk, "channel/website"])
    assert "entry_given" in plan
    assert "Seq Scan on loyalty_entry" not in plan


def test_a_reversal_of_billions():
    member = make.member()
    post(member, posting(4_000_000_000, "e"))
    entry = Account.objects.get().entries.get()
    services.reverse(entry=entry.pk, by=SYSTEM)
    assert balance(member) == (0, 0, 0, 0)


def test_a_debt_brought_into_a_merge_goes_back():
    source, target = make.member(), make.member()
    post(source, posting(-50, "e", kind="reversed", owe=True))
    kept = absorb(source, target)
    execute("UPDATE loyalty_account SET version = version + 1")
    part(source, target, kept)
    assert (balance(source)[3], balance(target)[3]) == (50, 0)

"""Any sequence of acts keeps the books: a model beside the ledger, both asked after every step."""

from contextlib import contextmanager

import pytest
from django.db import transaction
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from loyalty import services
from loyalty.models import Account, Entry
from tests import make
from tests.loyalty.make_points import balance, drifted

POINTS = st.integers(1, 200)
REFERENCE = st.sampled_from("abcdef")


class Books(RuleBasedStateMachine):
    """One member: `net` is what all entries come to, `known` what each reference stands for."""

    def __init__(self):
        super().__init__()
        self.net, self.known, self.reversed, self.version = 0, {}, set(), 0

    @initialize()
    def begin(self):
        self.rolled_back = transaction.atomic()
        self.rolled_back.__enter__()
        self.rolled_back._from_testcase = True
        self.member = make.member()

    def teardown(self):
        if hasattr(self, "rolled_back"):
            transaction.set_rollback(True)
            self.rolled_back.__exit__(None, None, None)

    @contextmanager
    def refused(self, error):
        before = make.snapshot()
        with pytest.raises(error):
            yield
        assert make.snapshot() == before, "a refused act changed something"

    def post(self, act, signed: int, reference: str):
        asked = {"member": self.member.pk, "points": abs(signed), "reference": reference, "by": make.BACKEND}
        if reference in self.known:
            return self.again(act, signed, asked)
        if signed < 0 and self.net < -signed:
            with self.refused(services.NotEnough):
                act(**asked)
            return None
        self.known[reference] = (signed, act(**asked))
        self.net += signed
        return None

    def again(self, act, signed: int, asked: dict):
        meant, entry = self.known[asked["reference"]]
        if meant == signed:
            assert act(**asked) == entry
            return
        with self.refused(services.ReferenceConflict):
            act(**asked)

    @rule(points=POINTS, reference=REFERENCE)
    def earn(self, points, reference):
        self.post(services.earn, points, reference)

    @rule(points=POINTS, reference=REFERENCE)
    def spend(self, points, reference):
        self.post(services.spend, -points, reference)

    @rule(reference=REFERENCE)
    def repeat(self, reference):
        if reference in self.known:
            signed, _entry = self.known[reference]
            self.post(services.earn if signed > 0 else services.spend, signed, reference)

    @rule(reference=REFERENCE)
    def reverse(self, reference):
        if reference not in self.known:
            return
        signed, entry = self.known[reference]
        undone = services.reverse(entry=entry.pk, by=make.BACKEND)
        assert undone.created == (reference not in self.reversed)
        if undone.created:
            self.net -= signed
            self.reversed.add(reference)

    @invariant()
    def the_books_agree(self):
        if not hasattr(self, "member"):
            return
        available, pending, held, debt = balance(self.member)
        assert (available, pending, held, debt) == (max(self.net, 0), 0, 0, max(-self.net, 0))
        assert drifted() == []
        assert all(e.available + e.pending + e.held - e.debt + e.contra == 0 for e in Entry.objects.all())

    @invariant()
    def versions_only_rise_and_every_entry_is_told(self):
        if not hasattr(self, "member"):
            return
        entries = list(Entry.objects.order_by("version"))
        account = Account.objects.filter(member=self.member).first()
        assert [entry.version for entry in entries] == list(range(1, len(entries) + 1))
        assert (account.version if account else 0) == len(entries) >= self.version
        assert make.types_of(self.member) == [f"points.{entry.kind}" for entry in entries]
        self.version = len(entries)


@pytest.mark.django_db
def test_any_sequence_of_earning_spending_and_reversing_keeps_the_books():
    few = settings(
        max_examples=25, stateful_step_count=15, deadline=None, suppress_health_check=list(HealthCheck), database=None
    )
    run_state_machine_as_test(Books, settings=few)

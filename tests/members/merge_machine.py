"""Any order of registering, proving, buying, earning, spending, freezing, merging and parting, with a model beside it.

The model knows who holds which identity, who owns which order, what is frozen, and how many points there are in all.
"""

from dataclasses import dataclass
from uuid import UUID

import pytest
from django.conf import settings
from django.utils.module_loading import import_string
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from loyalty import services as loyalty
from loyalty.models import Account
from members import freezing, merging, proving, services, signing_in
from members.identity import Evidence, Shown
from members.models import Identity, Member, Merge, Request, Scope
from orders.models import Order
from orders.services.placing import BuyerFrozen
from sync.act import act
from sync.http import Problem
from tests import make
from tests.members.make_merging import projection
from tests.orders import make_orders

PICK = st.integers(0, 99)
POINTS = st.integers(1, 90)
SCOPES = st.sets(st.sampled_from(Scope.values), min_size=1)
LEDGERS = [path for path in settings.RECONCILIATIONS if not path.startswith("sync.")]


@dataclass
class Joined:
    """A merge that stands: what was so before, what came along, and whether anything has happened to it since."""

    key: UUID
    source: UUID
    target: UUID
    before: dict
    ways_in: set
    dropped: dict
    orders: set
    scopes: list
    is_untouched: bool = True


@act
def with_member(work, *members: UUID):
    """Run `work` on locked members."""
    return work(*services.lock(*members))


class MergeMachine(RuleBasedStateMachine):
    """`alias` tells whom a member became; all else is kept by survivors."""

    def __init__(self):
        super().__init__()
        self.alias, self.scopes, self.holders, self.owners = {}, {}, {}, {}
        self.joined, self.undone, self.points, self.number = [], [], 0, 0

    @initialize()
    def begin(self):
        self.agreed = make.policies()
        self.places = [make.channel("website"), make.channel("mini-program")]
        for place in (0, 1):
            self.register(place, by_phone=not place)
            self.earn(place, 60)

    def teardown(self):
        for path in LEDGERS:
            assert list(import_string(path)()) == [], path

    # Who ----------------------------------------------------------------------------------------------------------
    @property
    def survivors(self) -> list[UUID]:
        return [member for member in self.scopes if member not in self.alias]

    def anybody(self, pick: int) -> UUID:
        """A member who is there, or whom somebody absorbed."""
        known = list(self.scopes)
        return known[pick % len(known)]

    def now(self, member: UUID) -> UUID:
        return self.alias.get(member, member)

    def touch(self, member: UUID) -> None:
        for each in self.joined:
            each.is_untouched &= self.now(member) != self.now(each.target)

    # What people do ------------------------------------------------------------------------------------------------
    @rule(place=st.integers(0, 1), by_phone=st.booleans())
    def register(self, place, by_phone):
        channel = self.places[place]
        value = make.mobile() if by_phone else f"openid-{make.uuid7()}"
        item = Evidence("phone", value, 3) if by_phone else Evidence("wechat_openid", value, 2, channel.app_id)
        arrived = self.sign_in(item, channel)
        assert arrived.created
        self.scopes[arrived.member.id] = []
        self.holders[item] = arrived.member.id

    def sign_in(self, item: Evidence, channel):
        return signing_in.sign_in(shown=Shown([item]), consents=self.agreed, channel=channel)

    @rule(pick=PICK, place=st.integers(0, 1))
    def come_back(self, pick, place):
        """Whoever can be reached by an identity is let in as the one who holds it."""
        items = list(self.holders)
        item = items[pick % len(items)]
        holder = self.holders[item]
        self.touch(holder)
        if "sign_in" in self.scopes[holder]:
            with pytest.raises(Problem, match="member_frozen"):
                self.sign_in(item, self.places[place])
        else:
            assert self.sign_in(item, self.places[place]).member.id == holder

    @rule(pick=PICK, other=st.none() | PICK)
    def prove_a_phone(self, pick, other):
        """One's own, a new one, or another member's: then a newcomer is folded, anybody else gets a case."""
        item = list(self.holders)[pick % len(self.holders)]
        member = self.holders[item]
        phones = [each for each in self.holders if each.kind == "phone"]
        shown = Evidence("phone", make.mobile(), 3) if other is None else phones[other % len(phones)]
        if self.scopes[member] or self.scopes.get(self.holders.get(shown)):
            return
        session = self.sign_in(item, self.places[0]).session
        self.touch(member)
        before = projection(member, self.holders.get(shown, member))
        known = [row.id for row in Identity.objects.filter(member=member).exclude(id__in=session.proven)]
        mine = Member.objects.get(pk=member).phone
        if shown not in self.holders and mine:
            with pytest.raises(Problem, match="step_up_required"):
                proving.prove_phone(session_id=session.id, phone=shown.value, assurance=3)
            return
        arrived = proving.prove_phone(session_id=session.id, phone=shown.value, assurance=3)
        if arrived.absorbed:
            self.folded(arrived, before, set(known))
        elif shown not in self.holders:
            self.holders[shown] = member

    def folded(self, arrived, before: dict, dropped_ids: set):
        source, target = arrived.absorbed, arrived.member.id
        merge = Merge.objects.get(source=source, undone_at=None)
        gone = {row["id"] for row in merge.journal["dropped"]}
        assert gone <= {str(each) for each in dropped_ids}
        mine = [item for item, holder in self.holders.items() if holder == source]
        kept = {item for item in mine if Identity.objects.filter(item.where, member=target).exists()}
        dropped = {item: source for item in mine if item not in kept}
        self.absorb(merge, source, target, before, kept, dropped)
        self.touch(target)  # its phone was proven in the same act

    # What staff and channels do ------------------------------------------------------------------------------------
    @rule(pick=PICK, fen=st.integers(100, 9_000), is_paid=st.booleans())
    def order(self, pick, fen, is_paid):
        member = self.anybody(pick)
        who, owner = Member.objects.get(pk=member), self.now(member)
        if "orders" in self.scopes[owner]:
            with pytest.raises(BuyerFrozen):
                make_orders.order(member=who, fen=fen)
            return
        self.touch(owner)
        order = make_orders.order(member=who, fen=fen)
        self.owners[order.pk] = owner
        if is_paid:
            make_orders.pay(make_orders.payment(order), fen=fen, transaction_id=order.number)
            self.points += fen // 100

    @rule(pick=PICK, points=POINTS)
    def earn(self, pick, points):
        member = self.anybody(pick)
        self.touch(member)
        loyalty.earn(member=member, points=points, reference=self.name(), by=make.BACKEND)
        self.points += points

    @rule(pick=PICK, points=POINTS)
    def spend(self, pick, points):
        member = self.anybody(pick)
        left = sum(Account.objects.filter(member=self.now(member)).values_list("available", flat=True))
        asked = {"member": member, "points": points, "reference": self.name(), "by": make.BACKEND}
        if "points" in self.scopes[self.now(member)]:
            with pytest.raises(loyalty.Frozen):
                loyalty.spend(**asked)
        elif points > left:
            with pytest.raises(loyalty.NotEnough):
                loyalty.spend(**asked)
        else:
            self.touch(member)
            loyalty.spend(**asked)
            self.points -= points

    def name(self) -> str:
        self.number += 1
        return f"{id(self)}-{make.uuid7()}"

    @rule(pick=PICK, scopes=SCOPES)
    def freeze(self, pick, scopes):
        member = self.survivors[pick % len(self.survivors)]
        self.touch(member)
        two = {"by": "staff/1", "approved_by": "staff/2"}
        with_member(lambda it: freezing.lay(it, scopes, "fraud", "", None, **two), member)
        self.scopes[member] = sorted(scopes)

    @rule(pick=PICK)
    def lift(self, pick):
        member = self.survivors[pick % len(self.survivors)]
        self.touch(member)
        with_member(lambda it: freezing.lift(it, make.STAFF), member)
        self.scopes[member] = []

    @precondition(lambda self: len(self.scopes) > 1)
    @rule(pick=PICK, other=PICK)
    def merge(self, pick, other):
        named = self.anybody(pick), self.anybody(other)
        if self.now(named[0]) == self.now(named[1]):
            with pytest.raises(Problem, match="case_closed"):
                self.merge_now(*named)
            return
        source, target = (it.id for it in with_member(merging.survivor_of, *named))
        before = projection(source, target)
        made = self.merge_now(*named)
        assert (made.source_id, made.target_id) == (source, target)
        self.absorb(made, source, target, before, {i for i, it in self.holders.items() if it == source}, {})

    def merge_now(self, one: UUID, other: UUID) -> Merge:
        return with_member(lambda *two: merging.merge(*merging.survivor_of(*two), why="x", by=make.STAFF), one, other)

    def absorb(self, made, source, target, before, ways_in, dropped):
        """What the model makes of it."""
        orders = {order for order, owner in self.owners.items() if owner == source}
        scopes = [self.scopes[source], self.scopes[target]]
        self.joined.append(Joined(made.pk, source, target, before, ways_in, dropped, orders, scopes))
        self.alias = {it: target if now == source else now for it, now in self.alias.items()} | {source: target}
        self.owners |= dict.fromkeys(orders, target)
        self.holders = {i: target if i in ways_in else it for i, it in self.holders.items() if i not in dropped}
        self.scopes[source], self.scopes[target] = [], sorted({*scopes[0], *scopes[1]})

    @precondition(lambda self: len(self.survivors) > 1)
    @rule(pick=PICK, other=PICK)
    def merge_and_part(self, pick, other):
        """Nothing happens in between: both are exactly what they were."""
        known = len(self.joined)
        self.merge(pick, other)
        if len(self.joined) > known:
            self.unmerge(0)

    @precondition(lambda self: self.joined)
    @rule(pick=st.sampled_from([0, 0, 1, 2]))
    def unmerge(self, pick):
        place = len(self.joined) - 1 - pick % len(self.joined)  # mostly the newest
        mine, later = self.joined[place], self.joined[place + 1 :]
        above = [each for each in later if mine.target in {each.source, each.target}]
        merge = Merge.objects.get(pk=mine.key)
        if above:
            with pytest.raises(Problem, match="case_closed"):
                merging.unmerge(merge, by=make.STAFF)
            return
        left = self.available(mine.source, mine.target)
        merging.unmerge(merge, by=make.STAFF)
        assert self.available(mine.source, mine.target) <= left
        self.undone.append(self.joined.pop(place))
        self.part(mine)

    def part(self, mine: Joined):
        """What the model makes of it."""
        was = {order for order in mine.orders if self.owners[order] == mine.target}
        self.owners |= dict.fromkeys(was, mine.source)
        self.holders = {i: mine.source if i in mine.ways_in else it for i, it in self.holders.items()} | mine.dropped
        del self.alias[mine.source]
        own = Member.objects.filter(merged_into=mine.source).values_list("id", flat=True)
        self.alias |= dict.fromkeys(own, mine.source)
        if mine.is_untouched:
            assert projection(mine.source, mine.target) == mine.before
        for member in (mine.source, mine.target):
            self.scopes[member] = sorted(Member.objects.get(pk=member).frozen_scopes)
        assert set(self.scopes[mine.source]) <= {*mine.scopes[0]}
        self.touch(mine.target)

    def available(self, *members: UUID) -> int:
        return sum(Account.objects.filter(member__in=members).values_list("available", flat=True))

    @precondition(lambda self: self.undone)
    @rule(pick=PICK)
    def unmerge_again(self, pick):
        merge = Merge.objects.get(pk=self.undone[pick % len(self.undone)].key)
        with pytest.raises(Problem, match="case_closed"):
            merging.unmerge(merge, by=make.STAFF)

    # What is always so ---------------------------------------------------------------------------------------------
    @invariant()
    def everybody_is_reached_in_one_step(self):
        found = dict(Member.objects.filter(pk__in=self.scopes).values_list("id", "merged_into"))
        assert {it: now for it, now in found.items() if now} == self.alias
        assert not set(self.alias.values()) & set(self.alias)

    @invariant()
    def nothing_is_lost_or_won(self):
        columns = Account.objects.filter(member__in=self.scopes).values_list("available", "pending", "held", "debt")
        assert sum(available + pending + held - debt for available, pending, held, debt in columns) == self.points
        emptied = Account.objects.filter(member__in=self.alias).exclude(available=0, pending=0, held=0, debt=0)
        assert not emptied.exists()
        owners = dict(Order.objects.filter(member__in=self.scopes).values_list("id", "member"))
        assert owners == self.owners

    @invariant()
    def an_identity_has_one_member_who_is_there(self):
        rows = list(Identity.objects.filter(member__in=self.scopes, proof="verified"))
        found = {(row.kind, row.namespace, row.value): row.member_id for row in rows}
        assert found == {(i.kind, i.namespace, i.value): it for i, it in self.holders.items()}
        assert len(found) == len(rows)
        phones = dict(Member.objects.filter(pk__in=self.scopes, phone__isnull=False).values_list("id", "phone_mask"))
        assert set(phones) == {it for i, it in self.holders.items() if i.kind == "phone"}
        assert not Request.objects.exists()

    @invariant()
    def who_is_frozen_is_frozen(self):
        found = dict(Member.objects.filter(pk__in=self.scopes).values_list("id", "frozen_scopes"))
        assert {it: sorted(scopes) for it, scopes in found.items()} == self.scopes

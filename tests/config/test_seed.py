"""The sandbox's seed: a whole brand, consistent, marked, and the same again on demand."""

from collections import Counter
from contextlib import contextmanager
from datetime import timedelta

import pytest
from django.conf import settings as conf
from django.contrib.auth import authenticate
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import connection
from django.db.models import Sum
from guardian.shortcuts import get_objects_for_user

from config.sandbox import seed
from config.sandbox.models import App, Backend, Mark, PayAccount
from config.sandbox.seed import credentials, shop
from loyalty import queries as points
from loyalty.models import Account, Draw, EarnRule, Entry, Lot, Purchase, PurchaseLine, Tier
from loyalty.told import as_entry
from members import queries as members
from members.models import Member, Policy
from orders import queries as orders
from orders.models import Merchant, Order, Payment
from sync import auth, reconcile
from sync.models import AlertRule, Channel, Delivery, Endpoint, Event, Scope, Settled, Stream


@pytest.fixture(scope="module")
def _database(django_db_setup, django_db_blocker):
    """One seed for the tests of this module, which only look at it."""
    with django_db_blocker.unblock():
        call_command("seed", verbosity=0)
        yield
        call_command("flush", verbosity=0, interactive=False)


@pytest.fixture
def seeded(_database, db):
    """The seed; what a test changes is rolled back."""


def test_there_are_two_hundred_members_with_orders_and_points_on_both_channels(seeded):
    assert Member.objects.count() == 200
    assert Order.objects.count() > 400
    for code in ("website", "mini-program"):
        assert Member.objects.filter(home_channel__code=code).count() > 60
        assert Order.objects.filter(channel__code=code, payment_status="paid").count() > 100
        assert Entry.objects.filter(channel__code=code).exists()
    assert {tier.code for tier in Tier.objects.filter(pk__in=Account.objects.values("tier"))} >= {"silver", "gold"}
    assert Order.objects.filter(payment_status="closed").exists()
    assert Entry.objects.filter(kind="spent").exists()
    assert all(nickname > "一" for nickname in Member.objects.values_list("nickname", flat=True))


def test_reconciliations_find_nothing(seeded):
    runs = reconcile.run_all()
    assert {run.name for run in runs} == set(conf.RECONCILIATIONS)
    assert [(run.name, run.found, run.error) for run in runs] == [(run.name, 0, "") for run in runs]


def test_every_order_earned_what_the_rule_gives(seeded):
    earned = {entry.reference: entry.points for entry in Entry.objects.filter(kind="earned")}
    for order in Order.objects.filter(payment_status="paid"):
        assert earned.get(f"order:{order.number}:paid", 0) == order.points_earned == order.total_fen // 100
    paid = Payment.objects.filter(state="paid").aggregate(Sum("amount_fen"))["amount_fen__sum"]
    assert paid == Order.objects.aggregate(Sum("paid_fen"))["paid_fen__sum"]
    assert paid == Purchase.objects.aggregate(Sum("paid_fen"))["paid_fen__sum"]
    assert paid == PurchaseLine.objects.aggregate(Sum("fen"))["fen__sum"]
    assert Purchase.objects.aggregate(Sum("points")) == PurchaseLine.objects.aggregate(Sum("points"))


def test_points_lie_in_lots_that_waited_for_goods_to_come_back(seeded):
    now = Mark.objects.get().finished_at
    for lot in Lot.objects.select_related("entry__purchase").annotate(drawn=Sum("draws__remaining", default=0)):
        assert lot.remaining == lot.earned + lot.drawn
        assert lot.available_at == lot.entry.purchase.paid_at + timedelta(days=7)
        assert lot.is_pending == (lot.available_at > now)
        assert lot.expires_at > lot.available_at + timedelta(days=365)
    for account in Account.objects.all():
        lots = Lot.objects.filter(account=account, remaining__gt=0).values_list(
            "remaining", "is_pending", "available_at", "expires_at"
        )
        assert sum(remaining for remaining, *_rest in lots) == account.available + account.pending
        assert sum(remaining for remaining, waits, *_rest in lots if waits) == account.pending
        due = [at for _remaining, waits, opens, ends in lots for at in ((opens, ends) if waits else (ends,))]
        assert account.due_at == min(due, default=None)
    assert Account.objects.filter(pending__gt=0).exists()
    assert Draw.objects.values("entry").distinct().count() == Entry.objects.filter(kind="spent").count()


def test_every_tier_is_explained_by_the_change_that_gave_it(seeded):
    for account in Account.objects.exclude(tier=None):
        last = account.tier_changes.order_by("at").last()
        assert (last.after_id, last.at, last.until) == (account.tier_id, account.tier_since, account.tier_until)
        assert last.qualifying >= last.threshold
        assert last.until > last.at + timedelta(days=365)


def test_every_member_is_in_the_tier_they_spent_for(seeded):
    for member in Member.objects.all():
        tier = points.as_points(member.pk)["tier"]
        reached = Tier.objects.filter(threshold_fen__lte=tier["qualifying"]).order_by("-threshold_fen").first()
        assert tier["code"] == reached.code


def test_streams_have_no_gaps_and_everything_is_settled_without_a_delivery(seeded):
    counts = Counter(Event.objects.values_list("subject", flat=True))
    assert dict(Stream.objects.values_list("subject", "head")) == counts
    assert Event.objects.count() == Settled.objects.count()
    assert not Delivery.objects.exists()
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM sync_event a JOIN sync_event b USING (subject)"
            " WHERE b.sequence = a.sequence + 1 AND (b.time < a.time OR b.written < a.written)"
        )
        assert cursor.fetchone()[0] == 0


def test_the_last_that_was_told_of_an_order_is_how_it_is(seeded):
    known = Event.objects.filter(type__startswith="order.").order_by("written")
    told = {event.data["number"]: event.data for event in known}
    for order in orders.whole():
        assert told[order.number] == shop.as_told(order) == orders.told(order)


def test_the_last_that_was_told_of_points_is_how_they_are(seeded):
    told = {}
    for event in Event.objects.filter(type__startswith="points.").order_by("written"):
        told[event.subject.removeprefix("member/")] = event.data
    for account in Account.objects.select_related("member"):
        entry = account.entries.order_by("version").last()
        assert told[str(account.member_id)]["entry"] == as_entry(entry)
        assert told[str(account.member_id)]["balance"]["available"] == account.available == entry.available_after


def test_events_carry_no_personal_data(seeded):
    everything = "".join(str(data) for data in Event.objects.values_list("data", flat=True))
    for member in Member.objects.all()[:20]:
        assert member.phone.removeprefix("+86") not in everything
        assert member.nickname not in everything


def test_channels_open_with_their_credentials(seeded):
    known = credentials.credentials()
    assert known["channels"].keys() == {"website", "mini-program", "app"}
    for code in ("website", "mini-program"):
        channel, secrets = Channel.objects.get(code=code), known["channels"][code]
        proof = auth.by_key(secrets["api_key"])
        assert (proof.channel, proof.scopes) == (channel, frozenset(Scope.values))
        assert (channel.app_id, channel.inbound_secret) == (secrets["app_id"], secrets["inbound_secret"])
        endpoint = Endpoint.objects.get(channel=channel)
        assert (endpoint.secret, endpoint.types, endpoint.is_active) == (secrets["outbound_secret"], [], True)
        assert endpoint.url == f"http://127.0.0.1:{conf.SANDBOX_PORT}/stand-ins/backends/{code}"
    assert not Channel.objects.get(code="app").is_active
    assert Channel.objects.values("group").distinct().count() == 1


def test_wechat_and_wechat_pay_know_what_the_hub_knows(seeded):
    for app in App.objects.all():
        channel = Channel.objects.get(code=app.channel)
        assert (app.app_id, app.secret) == (channel.app_id, channel.app_secret)
    ours, theirs = Merchant.objects.get(), PayAccount.objects.get()
    assert (ours.mchid, ours.api_key, ours.serial) == (theirs.mchid, theirs.api_key, theirs.serial)
    assert len(ours.api_key) == 32
    assert ours.keys.get().serial == theirs.platform_serial
    assert set(Channel.objects.values_list("merchant_id", flat=True)) == {ours.mchid}


def test_policies_are_pages(seeded, client):
    assert {(policy.purpose, policy.is_required) for policy in members.current_policies()} == {
        ("terms", True),
        ("privacy", True),
        ("marketing", False),
    }
    for policy in Policy.objects.all():
        assert client.get(policy.text_url.removeprefix(conf.PUBLIC_URL)).status_code == 200


def test_staff_sign_in_and_see_the_seeded_channels(seeded):
    assert authenticate(username="admin", password="sandbox").is_superuser
    assert set(User.objects.values_list("username", flat=True)) == set(credentials.STAFF)
    assert User.objects.values("password").distinct().count() == 1
    operator = User.objects.get(username="operator")
    assert get_objects_for_user(operator, "sync.view_channel", Channel).count() == 3
    assert operator.groups.get().name == "operator"


def test_rules_are_those_of_the_contract(seeded):
    assert EarnRule.objects.get().points_per_yuan == 1
    thresholds = [("normal", 0), ("silver", 100_000), ("gold", 500_000), ("diamond", 2_000_000)]
    assert list(Tier.objects.values_list("code", "threshold_fen")) == thresholds
    assert AlertRule.objects.get(code="deliveries-failing").is_active


def test_a_second_seed_changes_nothing_but_addresses(seeded, settings):
    before, settings.SANDBOX_PORT, settings.PUBLIC_URL = Mark.objects.get(), 9002, "http://127.0.0.1:9000"
    assert seed.run() is False
    assert Mark.objects.get().finished_at == before.finished_at
    assert Endpoint.objects.filter(url__startswith="http://127.0.0.1:9002/").count() == 3
    assert Channel.objects.get(code="website").origins == ["http://127.0.0.1:9000"]
    assert Policy.objects.filter(text_url__startswith="http://127.0.0.1:9000/").count() == 6


@contextmanager
def _somebody_else_seeds():
    """Another session holds the seed's lock."""
    with connection.copy().cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(hashtextextended('sandbox seed', 0))")
        try:
            yield
        finally:
            cursor.connection.close()


def test_two_cannot_seed_at_once(seeded, client):
    with _somebody_else_seeds():
        answer = client.post("/sandbox/reset")
        assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
        Mark.objects.update(finished_at=None)
        with pytest.raises(CommandError) as refused:
            call_command("seed")
        assert isinstance(refused.value.__cause__, seed.Busy)


def test_there_is_no_seed_without_a_sandbox(settings):
    settings.SANDBOX = False
    with pytest.raises(CommandError, match="HUB_SANDBOX"):
        call_command("seed")


@pytest.mark.slow
def test_a_reset_brings_back_the_seed(transactional_db, client):
    call_command("seed", verbosity=0)
    seeded = _portrait()
    Member.objects.update(nickname="?")
    User.objects.create_user("somebody")
    Backend.objects.update(mode="fail")
    Endpoint.objects.all().delete()
    positions = Settled.objects.order_by("-position").values_list("position", flat=True)
    last = positions.first()

    assert client.post("/sandbox/reset").status_code == 204

    assert _portrait() == seeded
    assert Settled.objects.order_by("position").first().position > last


def _portrait() -> list:
    """What a seed makes, but for the moments it was made at."""
    sold = Order.objects.order_by("placed_at", "total_fen")
    accounts = Account.objects.order_by("member__phone_last4", "member__nickname")
    return [
        list(Member.objects.order_by("phone_last4", "nickname").values_list("nickname", "gender", "phone_mask")),
        [(each.total_fen, each.payment_status, each.points_earned) for each in sold],
        list(accounts.values_list("available", "pending", "version")),
        list(User.objects.order_by("username").values_list("username", "password")),
        list(Backend.objects.order_by("code").values_list("code", "mode")),
        Endpoint.objects.count(),
        Event.objects.count(),
    ]

"""The receivers of docs/receivers, each a process, receive what the courier signs and sends and read the hub's feed."""

import ast
import json
import socket
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from django.core.wsgi import get_wsgi_application
from django.db import connection, transaction
from django.db.models.functions import Now

from sync import registry, retention, samples
from sync.models import Attempt, Delivery, Event
from tests import make
from tests.config.sandbox_servers import served
from tests.docs.programs import NAMES, OTHER_SECRET, RECEIVERS, Program, running, signed
from tests.orders import make_orders as o
from tests.sync import make_deliveries
from tests.sync.patience import until
from tests.sync.receiver import SECRET
from tests.sync.test_courier import courier_running

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]
NOBODY = "http://127.0.0.1:9"  # a port where nothing listens


@pytest.fixture
def hub() -> str:
    with served(get_wsgi_application()) as port:
        yield f"http://127.0.0.1:{port}"


@pytest.fixture
def courier(settings):
    settings.COURIER_SCHEDULE = [0.1] * 7
    with courier_running() as running_courier:
        yield running_courier


@pytest.fixture
def key() -> str:
    """A key of the mini-program's backend."""
    return make.backend_client("mini-program").headers["Authorization"].removeprefix("Bearer ")


@pytest.fixture(params=NAMES)
def program(request, tmp_path, hub, key) -> Program:
    """A receiver of the mini-program that can read the feed."""
    with running(request.param, tmp_path, hub=hub, key=key) as started:
        yield started


@pytest.fixture(params=NAMES)
def lonely(request, tmp_path, key) -> Program:
    """A receiver that cannot reach the hub."""
    with running(request.param, tmp_path, hub=NOBODY, key=key, looks_back=False) as started:
        yield started


def subscribe(program: Program, *types: str):
    made = make_deliveries.endpoint(make.channel("mini-program"), program.url, types=list(types))
    made.secret = SECRET
    made.save()
    return made


def ring() -> None:
    """What the relay does: events get their place, deliveries are made, the courier is woken."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT sync_settle()")
        cursor.execute("NOTIFY courier")


def place(member=None, **fields) -> dict:
    """An order placed by the website's backend, settled."""
    buyer = {"member_id": str(member.pk)} if member else {"contact": {"phone": make.mobile(), "name": "王"}}
    placed = make.backend_client("website").post("orders", o.body(**buyer, **fields))
    assert placed.status_code == 201, placed.json()
    ring()
    return placed.json()


def pay(order: dict) -> None:
    paid = {"provider": "offline", "transaction_id": order["number"], "amount_fen": order["total_fen"]}
    backend = make.backend_client("website")
    answer = backend.post(f"orders/{order['number']}/payments", paid | {"paid_at": make.NOON.isoformat()})
    assert answer.status_code == 201, answer.json()
    ring()


def cloud_event(sequence: int, subject: str, **data) -> dict:
    """An event as the hub would send it, of a stream the hub knows nothing of."""
    order = {"number": "D1", "version": sequence, "status": "paid", **data}
    return {
        "specversion": "1.0",
        "id": str(uuid4()),
        "source": "/channels/website",
        "type": "order.updated",
        "subject": subject,
        "sequence": str(sequence),
        "data": order,
    }


def sequences(subject: str) -> list[int]:
    return list(Event.objects.filter(subject=subject).order_by("sequence").values_list("sequence", flat=True))


def delivered() -> bool:
    return not Delivery.objects.exclude(state="delivered").exists()


def test_what_the_courier_sends_is_applied_once_however_often_it_comes(program, courier):
    subscribe(program)
    member = make.member()
    order = place(member)
    subject = f"member/{member.pk}"
    until(lambda: delivered() and program.applied(subject) == sequences(subject))
    shown = program.shown()
    assert (shown["orders"], shown["waiting"]) == ({order["number"]: "pending_payment"}, 0)

    Delivery.objects.update(state="waiting", next_at=Now(), finished_at=None)
    ring()
    until(lambda: delivered() and Attempt.objects.count() == 2 * Delivery.objects.count())
    assert set(Attempt.objects.values_list("status", flat=True)) == {204}
    assert program.applied(subject) == sequences(subject)
    assert program.shown() == shown


def test_what_the_hub_did_not_sign_just_now_is_refused(program):
    body, at = json.dumps(cloud_event(1, "order/D1")).encode(), datetime.now(UTC)
    good = signed(body, at=at)["webhook-signature"]
    then = {"timestamp": str(int(at.timestamp()))}
    assert program.send(body, **then, signature=signed(body, at=at, secret=OTHER_SECRET)["webhook-signature"]) == 401
    assert program.send(body + b" ", **then, signature=good) == 401
    for changed in ({"id": ""}, {"timestamp": ""}, {"signature": ""}, {"id": "msg-2"}, {"timestamp": "soon"}):
        assert program.send(body, **then | {"signature": good} | changed) == 401
    for malformed in (good.replace("v1,", "v1"), good.replace("v1,", ""), good.replace("v1,", "v2,"), "v1,"):
        assert program.send(body, **then, signature=malformed) == 401
    for seconds in (-302, 310):
        assert send_as_of(program, body, seconds) == 401
    assert program.send(b"[]") == program.send(b"{}") == program.send(b"not json") == 400
    shown = program.shown()
    assert (shown["applied"], shown["waiting"]) == (0, 0)
    assert program.send(body, **then, signature=good) == 204


def send_as_of(program: Program, body: bytes, seconds: int) -> int:
    """The status for a body signed so many seconds from now."""
    made = signed(body, at=datetime.now(UTC) + timedelta(seconds=seconds))
    return program.send(body, timestamp=made["webhook-timestamp"], signature=made["webhook-signature"])


def test_a_time_near_enough_is_taken(program):
    body = json.dumps(cloud_event(1, "order/D1")).encode()
    assert [send_as_of(program, body, seconds) for seconds in (-280, 295)] == [204, 204]


def test_during_the_overlap_of_two_secrets_either_will_do(program):
    """The hub signs with both; the receiver may know the old one, the new one or both."""
    body, at = json.dumps(cloud_event(1, "order/D1")).encode(), datetime.now(UTC)
    then = {"timestamp": str(int(at.timestamp()))}
    new, old = (signed(body, at=at, secret=each)["webhook-signature"] for each in (OTHER_SECRET, SECRET))
    assert program.send(body, **then, signature=f"{new} {old}") == 204
    program.kill()
    program.secrets = [OTHER_SECRET, SECRET]
    program.start()
    assert [program.send(body, **then, signature=one) for one in (old, new)] == [204, 204]
    assert program.send(body, **then, signature=f"v1,{'A' * 43}= v1a,x") == 401


def test_after_a_change_of_the_secret_the_old_one_will_do_for_a_day(program, courier):
    endpoint = subscribe(program)
    new = registry.rotate_outbound(endpoint.pk, as_of=endpoint.secret_at)
    first = place()
    until(lambda: first["number"] in program.shown()["orders"])
    program.kill()
    program.secrets = [new]
    program.start()
    second = place()
    until(lambda: delivered() and second["number"] in program.shown()["orders"])
    assert set(Attempt.objects.values_list("status", flat=True)) == {204}


def test_what_staff_send_to_try_the_address_changes_nothing(program):
    endpoint = subscribe(program)
    for type in (samples.TEST, "order.paid", "order.refunded"):
        _id, body = samples.sample(type, endpoint)
        assert program.send(body) == 204
    shown = program.shown()
    assert (shown["applied"], shown["waiting"], shown["orders"]) == (0, 0, {})


def test_what_comes_out_of_order_is_applied_in_order(lonely):
    subject = "order/D1"
    one, two, three, late = (cloud_event(number, subject) for number in (1, 2, 3, 2))
    assert lonely.send(one) == 204
    until(lambda: lonely.applied(subject) == [1])
    assert lonely.send(three) == 204
    until(lambda: lonely.shown()["waiting"] == 1)
    assert lonely.applied(subject) == [1]
    assert lonely.send(two) == 204
    until(lambda: lonely.applied(subject) == [1, 2, 3])
    assert lonely.send(late) == 204
    until(lambda: lonely.shown()["late"] == 1)
    assert lonely.shown()["subjects"] == {subject: 3}


def test_other_subjects_and_events_without_a_place_do_not_wait(lonely):
    assert lonely.send(cloud_event(2, "order/D1")) == lonely.send(cloud_event(1, "order/D2", number="D2")) == 204
    alone = cloud_event(1, "") | {"type": "wechat.event"}
    del alone["subject"], alone["sequence"]
    assert lonely.send(alone) == 204
    until(lambda: lonely.shown()["subjects"] == {"order/D2": 1, f"event/{alone['id']}": 1})


def test_what_is_missing_is_fetched_from_the_feed(program, courier):
    subscribe(program, "order.paid")
    member = make.member()
    order = place(member)
    assert not Delivery.objects.exists()
    pay(order)
    subject = f"member/{member.pk}"
    until(lambda: delivered() and program.applied(subject) == sequences(subject))
    assert len(sequences(subject)) > Delivery.objects.count() == 1
    shown = program.shown()
    assert (shown["orders"], shown["waiting"]) == ({order["number"]: "paid"}, 0)
    assert shown["cursor"]


def test_what_never_was_for_this_channel_is_not_waited_for(program):
    other = make.backend_client(make.channel("stranger", group="another"))
    other.post("orders", o.body(contact={"phone": make.mobile(), "name": "李"}))
    ring()
    subject = Event.objects.get().subject
    assert program.send(cloud_event(7, subject)) == 204
    until(lambda: program.applied(subject) == [7])
    assert program.send(cloud_event(9, subject)) == 204
    until(lambda: program.applied(subject) == [7, 9])


def test_after_a_kill_it_goes_on_where_it_was(program, courier):
    subscribe(program)
    member = make.member()
    subject = f"member/{member.pk}"
    first = place(member)
    until(lambda: delivered() and program.applied(subject) == sequences(subject))
    program.kill()
    pay(first)
    second = place(member)
    until(lambda: Attempt.objects.filter(status=None).exists())
    Delivery.objects.exclude(state="delivered").delete()  # nothing but the feed tells of these

    program.start()
    until(lambda: program.applied(subject) == sequences(subject))
    Delivery.objects.update(state="waiting", next_at=Now(), finished_at=None)
    ring()
    until(delivered)
    assert program.shown()["orders"] == {first["number"]: "paid", second["number"]: "pending_payment"}
    assert program.applied(subject) == sequences(subject)


def test_after_longer_than_the_hub_keeps_its_events_the_state_is_read_anew(program, courier):
    subscribe(program)
    member = make.member()
    subject = f"member/{member.pk}"
    first = place(member)
    until(lambda: delivered() and program.applied(subject) == sequences(subject))
    program.kill()
    pay(first)
    missed = [place(member) for _order in range(2)]
    Delivery.objects.exclude(state="delivered").delete()
    forget_all()
    last = place(member)

    program.start()
    known = {first["number"]: "paid"} | {each["number"]: "pending_payment" for each in [*missed, last]}
    until(lambda: program.shown()["orders"] == known)
    assert program.said.count("reading the state anew") == 1
    program.kill()
    program.start()
    pay(last)
    until(lambda: program.shown()["orders"] == known | {last["number"]: "paid"})
    assert program.said.count("reading the state anew") == 1


def forget_all() -> None:
    """What retention does once ninety days have passed."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute("UPDATE sync_event SET time = time - interval '91 days'")
    assert retention.drop_events()


def test_a_kill_in_the_midst_of_many_loses_and_repeats_nothing(program, courier):
    subscribe(program)
    members = [make.member() for _each in range(3)]
    subjects = [f"member/{member.pk}" for member in members]
    orders = []
    for number in range(12):
        orders += [place(member) for member in members[: 1 + number % 3]]
        if number in {4, 8}:
            program.kill()
            program.start()
    paid, unpaid = orders[::3], orders[1::3] + orders[2::3]
    for order in paid:
        pay(order)
    heads = {each: len(sequences(each)) for each in subjects}
    until(lambda: delivered() and program.shown()["subjects"] == heads, seconds=60)
    shown = program.shown()
    assert shown["waiting"] == 0
    assert Counter(shown["orders"].values()) == {"paid": len(paid), "pending_payment": len(unpaid)}
    for each in subjects:
        assert program.applied(each) == sorted(set(program.applied(each)))  # a kill may swallow the line that tells it


@pytest.mark.parametrize("name", NAMES)
def test_it_answers_at_once_even_when_the_hub_does_not(name, tmp_path, key):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        hub = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with running(name, tmp_path, hub=hub, key=key, looks_back=False) as program:
            began = time.monotonic()
            for number in range(3):
                assert program.send(cloud_event(5, f"order/D{number}")) == 204
            assert time.monotonic() - began < 5


def test_a_line_that_a_crash_cut_off_is_let_go(tmp_path, hub, key):
    with running("node", tmp_path, hub=hub, key=key) as program:
        assert program.send(cloud_event(1, "order/D1")) == 204
        until(lambda: program.applied("order/D1") == [1])
        program.kill()
        with (program.folder / "receiver.jsonl").open("a") as journal:
            journal.write('{"event":{"id":"x","na')
        for number in (2, 3):
            program.start()
            assert program.send(cloud_event(number, "order/D1")) == 204
            until(lambda last=number: program.shown()["subjects"] == {"order/D1": last})
            program.kill()


def test_the_receiver_in_python_is_read_by_python_3_9():
    ast.parse((RECEIVERS / "python/receiver.py").read_text(), feature_version=(3, 9))


@pytest.mark.parametrize("path", sorted(RECEIVERS.glob("*/receiver.*")), ids=lambda path: path.suffix)
def test_a_receiver_is_short_enough_to_be_read(path):
    assert len(path.read_text().splitlines()) <= 400

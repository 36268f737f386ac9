"""The same request, any number of times, at once or later: one effect, one answer."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connection, connections
from django.test import Client
from django.utils import timezone

from sync.idempotency import drop_expired
from sync.ids import uuid7
from sync.models import Channel, ChannelKey, Event, IdempotentAnswer, SharingGroup
from sync.secret import digest, token
from tests.sync import idempotent_paths

pytestmark = pytest.mark.urls("tests.sync.idempotent_paths")
PATHS = ["/api/v1/groups", "/api/v1/outside"]


def backend(code: str) -> Client:
    group, _new = SharingGroup.objects.get_or_create(code="brand", defaults={"name": "Brand"})
    channel = Channel.objects.create(code=code, name=code, kind="website", group=group)
    key = token("hub_sk_")
    ChannelKey.objects.create(channel=channel, label="test", digest=digest(key), scopes=[])
    return Client(headers={"Authorization": f"Bearer {key}"})


def post(client, path="/api/v1/groups", key="key-1", **body):
    body = {"code": "one", "name": "One"} | body
    return client.post(path, body, content_type="application/json", headers={"Idempotency-Key": key})


def founded() -> int:
    assert Event.objects.count() == SharingGroup.objects.exclude(code="brand").count()
    return Event.objects.count()


@pytest.mark.django_db
@pytest.mark.parametrize("path", PATHS)
def test_the_same_request_again_gets_the_stored_answer(path):
    client = backend("website")
    first, second = post(client, path), post(client, path)
    assert first.status_code == second.status_code == 201
    assert first.json() == second.json()
    assert "Idempotency-Replayed" not in first
    assert second["Idempotency-Replayed"] == "true"
    assert founded() == 1


@pytest.mark.django_db
@pytest.mark.parametrize("path", PATHS)
def test_the_same_key_for_another_request_is_refused(path):
    client = backend("website")
    post(client, path)
    answer = post(client, path, name="Other")
    assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_reused")
    assert founded() == 1


@pytest.mark.django_db
@pytest.mark.parametrize("path", PATHS)
def test_a_declared_refusal_is_kept_and_leaves_nothing(path):
    client = backend("website")
    first, second = post(client, path, name="refuse"), post(client, path, name="refuse")
    assert first.status_code == second.status_code == 409
    assert second["Idempotency-Replayed"] == "true"
    assert second["Content-Type"] == "application/problem+json"
    assert founded() == 0


@pytest.mark.django_db
@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("body", [{"name": "deny"}, {"name": 1}])
def test_what_may_succeed_later_is_not_kept(path, body):
    client = backend("website")
    for _ in range(2):
        answer = post(client, path, **body)
        assert answer.status_code in {429, 400}
        assert "Idempotency-Replayed" not in answer
    assert IdempotentAnswer.objects.count() == founded() == 0
    assert post(client, path).status_code == 201


@pytest.mark.django_db
@pytest.mark.parametrize("path", PATHS)
def test_a_deadlock_is_retried_under_a_key_as_well(path):
    idempotent_paths.clashes += ["40P01", "40001", "40P01"]
    assert post(backend("website"), path, name="clash").status_code == 201
    assert founded() == 1


@pytest.mark.django_db
def test_a_deadlock_that_does_not_end_may_be_tried_again_later():
    client = backend("website")
    idempotent_paths.clashes += ["40P01"] * 4
    assert post(client, name="clash").json()["code"] == "unavailable"
    assert post(client, name="clash").status_code == 201
    assert founded() == 1


@pytest.mark.django_db
def test_a_view_that_swallows_why_its_act_was_refused_does_not_say_that_it_was_done():
    client = backend("website")
    client.raise_request_exception = False
    assert post(client, "/api/v1/swallowing").status_code == 500
    assert founded() == 0
    assert not IdempotentAnswer.objects.exists()


@pytest.mark.django_db
def test_two_channels_may_use_the_same_key():
    assert post(backend("website")).status_code == 201
    assert post(backend("mini-program"), code="two").status_code == 201
    assert founded() == 2


@pytest.mark.django_db
@pytest.mark.parametrize("key", ["", "x" * 256, "schlüssel", "tab\there"])
def test_a_malformed_key_is_refused(key):
    answer = post(backend("website"), key=key)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, "Idempotency-Key")


@pytest.mark.django_db
def test_an_answer_is_kept_for_a_day_and_encrypted():
    client = backend("website")
    post(client)
    with connection.cursor() as cursor:
        cursor.execute("SELECT body FROM sync_idempotentanswer")
        assert "张三".encode() not in bytes(cursor.fetchone()[0])
    assert drop_expired() == 0
    IdempotentAnswer.objects.update(created_at=timezone.now() - timedelta(hours=25))
    assert post(client, code="later").status_code == 201
    IdempotentAnswer.objects.update(created_at=timezone.now() - timedelta(hours=25))
    assert drop_expired() == 1


@pytest.mark.django_db
def test_a_request_whose_process_died_frees_its_key_after_a_minute():
    client = backend("website")
    post(client, "/api/v1/outside")
    IdempotentAnswer.objects.update(status=None)
    answer = post(client, "/api/v1/outside")
    assert (answer.status_code, answer.json()["code"]) == (409, "idempotency_key_in_flight")
    assert answer["Retry-After"] == "1"
    IdempotentAnswer.objects.update(created_at=timezone.now() - timedelta(seconds=61))
    assert post(client, "/api/v1/outside", code="again").status_code == 201


@pytest.mark.django_db(transaction=True)
def test_a_crash_in_the_middle_leaves_neither_effect_nor_key():
    client = backend("website")
    idempotent_paths.lost += ["pg_terminate_backend(pg_backend_pid())"]
    assert post(client, name="lost").status_code == 503
    assert IdempotentAnswer.objects.count() == founded() == 0
    assert post(client, name="lost").status_code == 201
    assert founded() == 1


@pytest.mark.django_db(transaction=True)
def test_a_crash_while_something_is_asked_outside_holds_the_key_for_a_minute():
    client = backend("website")
    idempotent_paths.lost += ["pg_terminate_backend(pg_backend_pid())"]
    assert post(client, "/api/v1/outside", name="lost").status_code in {500, 503}
    connections.close_all()
    if IdempotentAnswer.objects.exists():  # it could not even be freed
        assert post(client, "/api/v1/outside", name="lost").json()["code"] == "idempotency_key_in_flight"
        IdempotentAnswer.objects.update(created_at=timezone.now() - timedelta(seconds=61))
    assert post(client, "/api/v1/outside", name="lost").status_code == 201
    assert founded() == 1


@pytest.mark.django_db
def test_one_that_took_so_long_that_its_key_was_freed_still_answers():
    client = backend("website")
    assert post(client, "/api/v1/outside", name="overtaken").status_code == 201
    assert not IdempotentAnswer.objects.exists()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("path", PATHS)
def test_twenty_at_once_have_one_effect(path):
    client = backend("website")

    def once(_):
        try:
            return post(client, path, key=str(key))
        finally:
            connections.close_all()

    key = uuid7()
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(once, range(20)))
    assert {answer.status_code for answer in answers} <= {201, 409}
    assert {answer.json()["code"] for answer in answers} <= {"one", "idempotency_key_in_flight"}
    assert founded() == 1


@pytest.mark.django_db
def test_without_a_proof_nothing_is_replayed():
    post(backend("website"))
    answer = post(Client())
    assert (answer.status_code, answer.json()["code"]) == (401, "not_authenticated")

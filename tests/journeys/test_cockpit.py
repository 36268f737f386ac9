"""The cockpit on the real processes: a backend that fails is seen, told once and forgotten once; a changed balance is
named; what operators may not do, they cannot."""

import psycopg
import pytest

from tests.journeys.clients import Backend, Client
from tests.journeys.staff import Staff
from tests.processes import await_that

pytestmark = [pytest.mark.timeout(400), pytest.mark.slow]
PHONE = "13300133000"


@pytest.fixture(scope="module")
def manager(hub) -> Staff:
    return Staff(hub.url, "manager")


@pytest.fixture(scope="module")
def member(hub) -> Client:
    client = Client(hub.url, "website")
    client.id = client.sign_in_by_phone(PHONE)["member"]["id"]
    return client


def told(member: Client) -> list[str]:
    return [one["body"] for one in member.sandbox("GET", "channels/alerts/received")["results"]]


def test_a_failing_backend_is_seen_told_once_and_resolved_once(hub, manager, member):
    backend = Backend(hub.url, "mini-program")
    member.sandbox("PUT", "channels/website/mode", json={"mode": "fail"})
    for turn in range(12):
        backend.place(member.id, f"FAIL-{turn}")
    await_that(lambda: manager.figures()["sync"]["success"]["rate"] not in {None, 1}, 60, lambda: "the rate never fell")
    await_that(manager.open_alerts, 60, lambda: f"no alert within a minute: {manager.figures()['sync']}")
    await_that(lambda: told(member), 20, lambda: "nobody was told")
    assert manager.figures()["watch"]["alerts_open"] == 1
    waiting = manager.figures()["sync"]["backlog"]["deliveries"]
    assert waiting > 0

    member.sandbox("PUT", "channels/website/mode", json={"mode": "ok"})

    def drained() -> bool:
        return manager.figures()["sync"]["backlog"]["deliveries"] == 0

    await_that(drained, 120, lambda: f"deliveries do not drain: {manager.figures()['sync']}")
    await_that(lambda: not manager.open_alerts(), 180, lambda: "the alert does not resolve")
    await_that(lambda: len(told(member)) >= 2, 20, lambda: "nobody was told that it is over")
    assert len(told(member)) == 2


def test_a_balance_changed_by_sql_is_named(hub, manager):
    with psycopg.connect(hub.database_url) as connection:
        found = connection.execute("SELECT id FROM loyalty_account WHERE available > 0 LIMIT 1").fetchone()
        connection.execute("UPDATE loyalty_account SET available = available + 1 WHERE id = %s", found)

    def named() -> bool:
        return any(str(found[0]) in each["subject"] for each in manager.figures()["watch"]["discrepancies"])

    await_that(named, 150, lambda: f"not named: {manager.figures()['watch']}")
    with psycopg.connect(hub.database_url) as connection:
        connection.execute("UPDATE loyalty_account SET available = available - 1 WHERE id = %s", found)
    await_that(lambda: not named(), 150, lambda: "still named after it was put right")


def test_an_operator_looks_and_cannot_change(hub, member):
    operator = Staff(hub.url, "operator")
    with psycopg.connect(hub.database_url) as connection:
        number, pk = connection.execute("SELECT number, id FROM members_member WHERE id = %s", [member.id]).fetchone()
    shown = operator.http.get(f"/admin/members/member/{pk}/change/")
    assert number in shown.text
    assert PHONE not in shown.text
    form = {"csrfmiddlewaretoken": operator.token(), "nickname": "changed"}
    answer = operator.http.post(f"/admin/members/member/{pk}/change/", data=form, headers={"Referer": hub.url})
    assert answer.status_code == 403
    assert member.call("GET", "me", 200).json()["nickname"] != "changed"

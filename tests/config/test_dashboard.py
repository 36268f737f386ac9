"""The dashboard: for managers, with figures that are right, at a cost that does not grow."""

import re
from datetime import timedelta

import pytest
import redis
from django.conf import settings
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from config import figures, tasks
from sync.models import Delivery, Ticket
from sync.secret import digest
from tests.config import make_staff
from tests.sync import make_deliveries

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _fresh():
    figures.counted.value = None


@pytest.fixture
def world():
    return make_staff.World()


def test_managers_see_it_operators_do_not_strangers_sign_in(world):
    assert make_staff.signed_in("manager").get("/dashboard/").status_code == 200
    for path in ("/dashboard/", "/dashboard/figures"):
        assert make_staff.signed_in("operator").get(path).status_code == 403
        assert Client().get(path).headers["Location"] == f"/admin/login/?next={path}"


def test_the_page_obeys_the_strict_content_policy_and_asks_nobody_else(world):
    answer = make_staff.signed_in("manager").get("/dashboard/")
    policy, page = answer.headers["Content-Security-Policy"], answer.content.decode()
    assert "unsafe" not in policy
    assert not re.findall(r'\b(?:src|href)="(?!/|#)', page)
    assert not re.findall(r"\son\w+=|\sstyle=|<script(?![^>]+(src=|application/json))", page)


def test_figures_are_those_of_the_rows(world):
    make_deliveries.attempts(world.endpoint, 200, 200, 200)
    shown = make_staff.signed_in("manager").get("/dashboard/figures").json()
    website = next(each for each in shown["channels"] if each["code"] == "website")

    assert shown["sync"]["success"] == {"attempts": 4, "rate": 0.75}
    assert (website["attempts"], website["arrived"], website["waiting"]) == (4, 3, 2)
    assert (website["members"], website["joined"], website["orders"], website["placed"]) == (2, 2, 2, 2)
    assert shown["totals"] == {"members": 3, "orders": 3, "points": 10_106}
    backlog = shown["sync"]["backlog"]
    assert (backlog["deliveries"], backlog["inbox"]) == (2, 1)
    assert backlog["unsettled"] > 0  # no relay runs here
    assert (shown["watch"]["alerts_open"], shown["watch"]["discrepancies_open"]) == (1, 1)
    assert shown["watch"]["alerts"][0]["about"] == f"website · {world.endpoint.url}"
    assert len(shown["minutes"]) == 60
    assert shown["minutes"][-1]["arrived"] + shown["minutes"][-2]["arrived"] == 3


def test_delays_are_from_the_change_to_the_delivery(world):
    waiting = Delivery.objects.filter(state="waiting").first()
    event = waiting.event
    late = event.time + timedelta(seconds=2)
    Delivery.objects.filter(pk=waiting.pk).update(state="delivered", finished_at=late, next_at=None)
    Delivery.objects.exclude(pk=waiting.pk).delete()
    with connection.cursor() as cursor:
        cursor.execute("UPDATE sync_delivery SET finished_at = %s", [late])
    delivered = figures.figures()["sync"]["delivered"]
    assert [round(each) for each in delivered] == [2000, 2000]


def test_an_empty_hub_has_figures_too():
    shown = figures.figures()
    assert shown["sync"]["success"] == {"attempts": 0, "rate": None}
    assert (shown["sync"]["delivered"], shown["sync"]["settled"]) == ([None, None], [None, None])
    assert (shown["channels"], shown["totals"]["points"]) == ([], 0)


def test_what_is_counted_over_whole_tables_is_kept_for_a_while(world):
    figures.figures()
    with CaptureQueriesContext(connection) as asked:
        figures.figures()
    assert len(asked) <= 12
    assert not [each for each in asked if "orders_order" in each["sql"] or "members_member" in each["sql"]]


def test_a_ticket_opens_the_socket_of_this_session_only(world):
    manager = make_staff.signed_in("manager")
    answer = manager.post("/dashboard/ticket").json()
    clear = answer["url"].partition("?ticket=")[2]
    ticket = Ticket.objects.get(digest=digest(clear))
    assert (ticket.kind, ticket.session, ticket.channel_id) == ("dashboard", manager.session.session_key, None)
    assert answer["url"].startswith(f"ws://testserver:{settings.LIVE_PORT}/ws/v1/dashboard?")
    assert ticket.expires_at - timezone.now() < timedelta(seconds=31)


def test_a_ticket_takes_a_csrf_token_and_the_permission(world):
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(make_staff.person("manager"), backend="django.contrib.auth.backends.ModelBackend")
    assert strict.post("/dashboard/ticket").status_code == 403
    assert make_staff.signed_in("operator").post("/dashboard/ticket").status_code == 403
    assert make_staff.signed_in("manager").get("/dashboard/ticket").status_code == 405
    assert not Ticket.objects.filter(kind="dashboard").exists()


def test_while_nobody_looks_nothing_is_counted(world):
    with CaptureQueriesContext(connection) as asked:
        tasks.dashboard()
    assert len(asked) == 0


def test_an_open_dashboard_is_told(world):
    with redis.Redis.from_url(settings.REDIS_URL) as broker, broker.pubsub() as listening:
        listening.subscribe(tasks.WATCHED)
        assert listening.get_message(timeout=30)["type"] == "subscribe"
        tasks.dashboard()
        told = listening.get_message(timeout=30)
    assert told["type"] == "message"
    assert b"figures" in told["data"]


def test_english_is_one_click_away(world):
    manager = make_staff.signed_in("manager")
    assert "同步成功率" in manager.get("/dashboard/").content.decode()
    assert manager.post("/i18n/setlang/", {"language": "en", "next": "/dashboard/"}).status_code == 302
    assert "Sync success" in manager.get("/dashboard/").content.decode()


def test_heartbeats_tell_which_processes_live(world):
    with connection.cursor() as cursor:
        cursor.execute("UPDATE sync_heartbeat SET at = now() - interval '1 hour'")
    assert [each["name"] for each in figures.figures()["watch"]["processes"]] == ["relay"]

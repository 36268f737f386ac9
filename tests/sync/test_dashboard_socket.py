"""The dashboard's socket: figures for staff who may see them, for as long as they may."""

import asyncio
import time
from types import SimpleNamespace

import pytest
from channels.layers import get_channel_layer
from django.conf import settings
from django.contrib.auth.models import Permission, User
from django.test import Client

from sync import staff, tickets
from sync.following import DASHBOARD
from sync.live import tell_dashboard
from sync.models import Ticket
from sync.switchboard import Switchboard
from tests.sync.live import session, ticket_for
from tests.sync.patience import until, within

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def manager():
    return made(User.objects.count())


def made(number: int) -> User:
    """Somebody who may see the dashboard."""
    user = User.objects.create_user(f"manager-{number}", password="long enough to be allowed")
    user.user_permissions.add(Permission.objects.get(codename="view_dashboard"))
    return user


def signed_in(user) -> str:
    """The key of a Django session of this user."""
    browser = Client()
    browser.force_login(user, "django.contrib.auth.backends.ModelBackend")
    return browser.session.session_key


def ticket_of(key: str) -> str:
    return tickets.issue(subject="staff/1", session=key, channel=None, kind=Ticket.Kind.DASHBOARD)


def test_it_forwards_what_is_told(live, manager):
    key = signed_in(manager)
    with live.connect(ticket_of(key), path="dashboard", origin=settings.PUBLIC_URL) as client:
        until(lambda: live.board.sockets)

        def heard():
            tell_dashboard({"kind": "figures", "figures": {"members": 7}})
            return not client.is_quiet(0.2)

        until(heard)
        tell_dashboard({"kind": "figures", "figures": {"members": 8}})
        assert client.next("figures")["figures"] in ({"members": 7}, {"members": 8})


def test_whoever_leaves_leaves_nothing_behind(live, manager):
    key, layer = signed_in(manager), layer_of(live.board.starting.get_loop())
    for turn in range(10):
        with live.connect(ticket_of(key), path="dashboard", origin=settings.PUBLIC_URL) as client:
            if turn % 2:
                until(lambda: layer().groups)
            client.drop()
        until(lambda: not live.board.sockets)
    for _ in range(5):
        tell_dashboard({"kind": "figures", "figures": {}})
    assert [len(group) for group in layer().groups.values()] == [1]
    assert len(layer().channels) == 1
    until(lambda: not any(queue.qsize() for queue in layer().channels.values()))


def test_a_process_that_ends_while_it_begins_to_follow_leaves_nothing_behind():
    async def ending() -> tuple[dict, dict]:
        board = Switchboard()
        await board.start()
        board.follow()
        layer = layer_of(asyncio.get_running_loop())
        while not layer().groups:  # it is in the group and has not begun to read
            await asyncio.sleep(0)
        board.following.cancel()
        await asyncio.wait([board.following])
        await get_channel_layer().group_send(DASHBOARD, {"frame": {}})
        await board.stop()
        return layer().channels, layer().groups

    assert asyncio.run(ending()) == ({}, {})


def layer_of(loop):
    """What the channel layer keeps for the sockets of one loop: `channels` with their queues, `groups`."""
    return lambda: get_channel_layer()._layers.get(loop) or SimpleNamespace(channels={}, groups={})


@pytest.mark.parametrize("end", ["signs out", "switched off", "loses the permission", "new password"])
def test_it_closes_within_two_seconds_when_the_permission_ends(live, end):
    assert within(2, lambda: closing(live, end))


def closing(live, end: str) -> float:
    """How many seconds a socket stays open when the permission of its manager has ended."""
    manager = made(User.objects.count())
    with live.connect(ticket_of(signed_in(manager)), path="dashboard", origin=settings.PUBLIC_URL) as client:
        until(lambda: live.board.sockets)
        began = time.monotonic()
        if end == "signs out":
            staff.Session.objects.all().delete()
        elif end == "switched off":
            User.objects.update(is_active=False)
        elif end == "new password":
            manager.set_password("another one, long enough")
            manager.save()
        else:
            manager.user_permissions.clear()
        assert client.closed() == 4403
        return time.monotonic() - began


@pytest.mark.parametrize("origin", [None, "https://website.example", "null"])
def test_it_opens_only_for_the_hubs_own_page(live, manager, origin):
    with live.connect(ticket_of(signed_in(manager)), path="dashboard", origin=origin) as client:
        assert client.closed() == 4401


def test_a_members_ticket_opens_no_dashboard(live):
    with live.connect(ticket_for(session()), path="dashboard", origin=settings.PUBLIC_URL) as client:
        assert client.closed() == 4401


def test_who_may_not_see_it_does_not(manager):
    key = signed_in(manager)
    assert staff.ended([key, "unknown"]) == {"unknown"}
    nobody = signed_in(User.objects.create_user("operator-1"))
    assert staff.ended([key, nobody]) == {nobody}

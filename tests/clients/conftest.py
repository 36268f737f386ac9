"""A place for clients, a hub that is scripted, a client that is signed in there."""

import httpx
import pytest

from tests.clients.driving import Client, Place
from tests.clients.scripted import ScriptedHub
from tests.journeys.clients import OPEN

CHANNELS = {"browser": "website", "wx": "mini-program"}


@pytest.fixture(params=CHANNELS)
def place(request):
    """A browser, then a phone with WeChat."""
    place = Place(request.param)
    yield place
    place.close()


@pytest.fixture
def scripted():
    hub = ScriptedHub()
    yield hub
    hub.close()


@pytest.fixture
def client(place, scripted) -> Client:
    """Signed in as m-1 with the tokens of generation 1, at head 0."""
    client = Client(place, channel=CHANNELS[place.platform], base=scripted.base)
    client.call("signInByPhone", "c-1", "123456", [])
    return client


@pytest.fixture(scope="module")
def sandbox(hub):
    """WeChat and the SMS inbox of a hub that runs."""
    with httpx.Client(base_url=f"{hub.url}/sandbox/", timeout=20, trust_env=False) as http:
        yield http


@pytest.fixture(scope="module")
def hang_up():
    """Close the backends' lines in the end."""
    yield
    OPEN.close()

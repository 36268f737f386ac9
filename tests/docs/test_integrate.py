"""The guide for integrators is true: every example is run against the hub, in the order in which it is read."""

import base64
import time
from datetime import UTC, datetime

import pytest
from django.db import connection
from standardwebhooks import Webhook

from sync.http import instant
from tests import make
from tests.docs import examples
from tests.engines import ROOT
from tests.members.outside import Server
from tests.orders import make_orders as o

GUIDE = ROOT / "docs" / "integrate.md"
INBOUND = "whsec_" + base64.b64encode(b"the shop's inbound secret 01").decode()


@pytest.fixture
def outside(settings):
    with Server() as server:
        settings.SMS_SENDER, settings.SMS_SANDBOX_URL = "sandbox", f"{server.url}/sms"
        yield server.outside


@pytest.fixture
def story(transactional_db, outside) -> examples.Story:
    """What an integrator is given, and what nobody can know before."""
    website, _twin = make.channel("website", inbound_secret=INBOUND), make.channel("mini-program")
    make.policies()
    o.earning()
    known = {
        "api_key": make.backend_client(website).headers["Authorization"].removeprefix("Bearer "),
        "now": lambda _body: instant(datetime.now(UTC)),
        "seconds": lambda _body: str(int(time.time())),
        "signature": lambda body: Webhook(INBOUND).sign("shop-2024-000042", datetime.now(UTC), body),
        "sms_code": lambda _body: outside.messages[-1]["code"],
    }
    return examples.Story(known)


def settle() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT sync_settle()")


def test_every_example_does_what_the_guide_says(story):
    told = examples.exchanges(GUIDE.read_text("utf-8"))
    assert len(told) > 15
    for asked, answered in told:
        story.run(asked, answered)
        settle()

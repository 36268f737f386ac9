"""The id of a request is on everything it causes, up to what a channel's backend is sent."""

from functools import partial

import pytest

from sync.models import Event
from tests import make
from tests.sync import make_deliveries
from tests.sync.patience import until
from tests.sync.receiver import SECRET, receiving
from tests.sync.test_courier import courier_running

pytestmark = pytest.mark.django_db(transaction=True)

REQUEST = {"X-Request-ID": "the-one-that-changed-it"}


def test_a_member_changes_something_and_the_backend_hears_of_which_request(relay):
    with receiving() as backend:
        address = make_deliveries.endpoint(make.channel(), backend.url)
        address.secret = SECRET
        address.save()
        client = make.member_client()
        match = {"If-Match": client.get("me")["ETag"]}
        answer = client.patch("me", {"nickname": "新名"}, headers=REQUEST | match)
        assert (answer.status_code, answer["X-Request-ID"]) == (200, "the-one-that-changed-it")
        with courier_running():
            until(partial(has_heard, backend))
    assert [(event["type"], event["correlationid"]) for event in backend.received] == [
        ("member.updated", "the-one-that-changed-it")
    ]
    assert Event.objects.get().correlation_id == "the-one-that-changed-it"


def has_heard(backend) -> bool:
    return bool(backend.received)

"""A long line of one subject: who stands behind others is left alone until its turn, and is not late for it."""

import threading
from datetime import timedelta

import pytest
from django.db.models.functions import Now

from sync.models import Delivery
from tests.sync.patience import until
from tests.sync.receiver import Answer, receiving
from tests.sync.test_courier import courier, deliver, endpoint, quick, states  # noqa: F401 - fixtures among them

pytestmark = pytest.mark.django_db(transaction=True)


def test_only_the_next_looks_again_and_each_is_made_due_by_the_one_before_it(courier):  # noqa: F811
    answered = threading.Event()
    with receiving(Answer(told=answered)) as backend:
        made = deliver(endpoint(backend.url), *["order.updated"] * 6)
        soon = Delivery.objects.filter(next_at__lte=Now() + timedelta(seconds=30))
        until(lambda: backend.received and list(soon.values_list("pk", flat=True)) == [made[1].pk])
        answered.set()
        until(lambda: states(made) == ["delivered"] * 6, seconds=15)
    assert [int(event["sequence"]) for event in backend.received] == list(range(1, 7))

"""What is withdrawn while a courier has it in hand: the courier goes on, and it is sent no second time."""

import threading

import pytest

from sync import postgres, services
from sync.act import act
from sync.models import Attempt, Delivery
from tests import make
from tests.sync.patience import until
from tests.sync.receiver import Answer, receiving
from tests.sync.test_courier import courier, deliver, endpoint, quick, states  # noqa: F401 - fixtures among them

pytestmark = pytest.mark.django_db(transaction=True)
WAITS = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%sync_attempt%'"


@act
def withdraw(meanwhile=lambda: None) -> None:
    services.dismiss(["member/1"])
    meanwhile()


def a_result_waits() -> bool:
    """Whether the courier would write what came of a request, and has to wait for somebody."""
    with postgres.connect("test") as other:  # a transaction sees one state of activity
        return other.execute(WAITS).fetchone()[0] > 0


@pytest.mark.parametrize("is_answered_meanwhile", [False, True])
def test_a_request_under_way_comes_to_nothing(courier, is_answered_meanwhile):  # noqa: F811
    make.admit("member/1", make.channel())
    answered = threading.Event()
    with receiving(Answer(500, told=answered)) as backend:
        to = endpoint(backend.url)
        deliver(to, "member.updated", "member.updated", subject="member/1")
        until(lambda: backend.received)

        def meanwhile():
            answered.set()
            until(a_result_waits)

        withdraw(meanwhile) if is_answered_meanwhile else withdraw()
        answered.set()
        make.admit("member/2", make.channel())
        other = deliver(to, "order.paid", subject="member/2")
        until(lambda: states(other) == ["delivered"])
    assert backend.types == ["member.updated", "order.paid"]
    assert Delivery.objects.get().subject == "member/2"
    assert Attempt.objects.get().status == 200

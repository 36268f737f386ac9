"""A rotated secret on its way: what the courier sends is verified by whoever still holds the old one, for a day."""

import pytest

from sync import registry
from tests.sync.patience import until
from tests.sync.receiver import receiving
from tests.sync.test_courier import courier_running, deliver, endpoint, states

pytestmark = pytest.mark.django_db(transaction=True)


def test_the_courier_signs_with_both_for_a_day_and_takes_a_rotation_over_without_a_restart():
    with courier_running(), receiving() as backend:  # it verifies with the secret that is rotated away
        to = endpoint(backend.url)
        first = deliver(to, "order.placed")
        until(lambda: states(first) == ["delivered"])
        registry.rotate_outbound(to.pk, as_of=None)
        second = deliver(to, "order.paid")
        until(lambda: states(second) == ["delivered"])
    before, after = (headers["webhook-signature"].split(" ") for headers in backend.headers)
    assert (len(before), len(after)) == (1, 2)
    assert backend.types == ["order.placed", "order.paid"]  # the old one verifies still: the library said so

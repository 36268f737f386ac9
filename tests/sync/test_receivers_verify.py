"""What the courier sends is verified by others' libraries as it arrives; the published vector holds for ours."""

import json
from datetime import UTC, datetime

import pytest
import standardwebhooks
import svix.webhooks

from sync import signatures
from sync.courier.sending import signed
from tests import make
from tests.sync import make_deliveries
from tests.sync.patience import until
from tests.sync.receiver import SECRET, receiving
from tests.sync.test_courier import courier_running

OTHER = "whsec_c29tZWJvZHktZWxzZS1zLXNlY3JldA=="
FOREIGN = {
    "standardwebhooks": (standardwebhooks.Webhook, standardwebhooks.WebhookVerificationError),
    "svix": (svix.webhooks.Webhook, svix.webhooks.WebhookVerificationError),
}
# Standard Webhooks' own vector (V8).
V8 = {"webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek", "webhook-timestamp": "1614265330"}
V8_BODY = b'{"test": 2432232314}'
V8_SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
V8_TIME = datetime.fromtimestamp(1614265330, UTC)


@pytest.fixture
def arrived():
    """Headers and body of a webhook as they came over the wire."""
    with receiving() as backend, courier_running():
        to = make_deliveries.endpoint(make.channel(), backend.url)
        to.secret = SECRET
        to.save()
        happened = make_deliveries.event(data={"number": "D1", "name": "林小溪 🌊", "paid_fen": 12_900})
        make_deliveries.delivery(to, happened)
        until(lambda: backend.bodies)
    return {name.lower(): value for name, value in backend.headers[0].items()}, backend.bodies[0]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("name", FOREIGN)
def test_others_verify_what_arrives_and_nothing_that_was_touched(arrived, name):
    webhook, refused = FOREIGN[name]
    headers, body = arrived
    told = webhook(SECRET).verify(body, headers)
    told = json.loads(body) if told is None else told
    assert told["data"] == {"number": "D1", "name": "林小溪 🌊", "paid_fen": 12_900}

    touched = {
        "body": (headers, body.replace(b"12900", b"12901")),
        "id": (headers | {"webhook-id": told["id"][::-1]}, body),
        "time": (headers | {"webhook-timestamp": str(int(headers["webhook-timestamp"]) + 1)}, body),
        "signature": (headers | {"webhook-signature": V8_SIGNATURE}, body),
    }
    for its_headers, its_body in touched.values():
        with pytest.raises(refused):
            webhook(SECRET).verify(its_body, its_headers)
    with pytest.raises(refused):
        webhook(OTHER).verify(body, headers)


@pytest.mark.django_db(transaction=True)
def test_ours_verifies_what_ours_sent(arrived):
    headers, body = arrived
    signatures.verify(headers, body, SECRET, datetime.now(UTC))
    with pytest.raises(signatures.Invalid):
        signatures.verify(headers, body + b" ", SECRET, datetime.now(UTC))


def test_the_published_vector_is_what_we_sign_and_verify():
    made = signed(V8["webhook-id"], V8_BODY, SECRET, V8_TIME)
    assert made == V8 | {"webhook-signature": V8_SIGNATURE}
    signatures.verify(made, V8_BODY, SECRET, V8_TIME)


@pytest.mark.parametrize(
    "near",
    [
        V8_SIGNATURE.removesuffix("OE=") + "OA=",  # the vector's near miss
        V8_SIGNATURE.removesuffix("="),
        V8_SIGNATURE.replace("v1,", "v1a,"),
        V8_SIGNATURE.replace("v1,", ""),
        V8_SIGNATURE.lower(),
    ],
)
def test_its_near_misses_fail(near):
    with pytest.raises(signatures.Invalid):
        signatures.verify(V8 | {"webhook-signature": near}, V8_BODY, SECRET, V8_TIME)

"""Whatever a receiver does, it is treated as declared, and the log of attempts shows what was seen."""

import asyncio
import socket
import ssl
from datetime import timedelta

import pytest
from django.db.models import F
from django.test import Client

from sync.addresses import refuse_internal
from sync.courier import sending
from sync.models import Attempt, Delivery, Endpoint
from tests import make
from tests.config import make_staff
from tests.sync import make_deliveries
from tests.sync.patience import until
from tests.sync.receiver import SECRET, receiving
from tests.sync.test_courier import courier_running
from tests.sync.unruly import OK, answering, certificate, hanging_up, resetting, saying, silent, unruly

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]
STEP = 5  # seconds until the second try
AGES = "Retry-After: 1000000000"
EVERLASTING = b"x" * 1_000

# How it behaves → what the log says: status, kind of error; and what becomes of the delivery.
MODES = {
    "500": (answering("500 Oops", body=b"stack trace"), 500, "status", "waiting"),
    "503 without a body": (answering("503 Busy"), 503, "status", "waiting"),
    "302": (answering("302 Found", "Location: http://127.0.0.1:1/elsewhere"), 302, "redirect", "waiting"),
    "308": (answering("308 Moved", "Location: /elsewhere"), 308, "redirect", "waiting"),
    "400": (answering("400 No", body=b"unknown field"), 400, "status", "waiting"),
    "410": (answering("410 Gone"), 410, "status", "dead"),
    "429 for ages": (answering("429 Slow down", AGES), 429, "status", "waiting"),
    "never answers": (silent, None, "timeout", "waiting"),
    "drips its headers": (saying(OK, then=b"X", dripping=True), None, "timeout", "waiting"),
    "drips its body": (saying(OK + b"Content-Length: 900\r\n\r\n", then=b".", dripping=True), 200, "", "delivered"),
    "body without end": (saying(OK + b"\r\n", then=EVERLASTING, endless=True), 200, "", "delivered"),
    "error without end": (
        saying(b"HTTP/1.1 500 Oops\r\n\r\n", then=EVERLASTING, endless=True), 500, "status", "waiting",
    ),
    "body cut short": (saying(OK + b"Content-Length: 900\r\n\r\n", then=b"half"), 200, "", "delivered"),
    "headers without end": (saying(OK, then=b"X: y\r\n" * 99, endless=True), None, "protocol", "waiting"),
    "one header too long": (saying(OK + b"X: " + b"y" * 99_999 + b"\r\n\r\n"), None, "protocol", "waiting"),
    "no HTTP": (saying(b"220 mail.example ESMTP\r\n"), None, "protocol", "waiting"),
    "hangs up": (hanging_up, None, "disconnected", "waiting"),
    "resets": (resetting, None, "reset", "waiting"),
}  # fmt: skip


@pytest.fixture(autouse=True)
def hasty(monkeypatch, settings):
    """The same treatment in less time."""
    monkeypatch.setattr(sending, "TIMEOUT", 1.5)
    monkeypatch.setattr(sending, "LISTENING", 0.3)
    settings.COURIER_SCHEDULE = [STEP, 300, 1_800, 7_200, 18_000, 36_000, 36_000]


@pytest.fixture
def courier():
    with courier_running() as running:
        yield running


def tried(url: str, code: str = "website") -> Attempt:
    """The first attempt at a delivery to this address."""
    to = make_deliveries.endpoint(make.channel(code), url)
    to.secret = SECRET
    to.save()
    made = make_deliveries.delivery(to)
    return until(lambda: Attempt.objects.select_related("delivery__endpoint").filter(delivery=made).first())


def pause(attempt: Attempt) -> timedelta:
    """How long the next try waits since the end of this one."""
    return attempt.delivery.next_at - attempt.at - timedelta(milliseconds=attempt.milliseconds)


@pytest.mark.parametrize("mode", MODES)
def test_each_has_its_declared_treatment_in_the_log(courier, mode):
    conduct, status, error, state = MODES[mode]
    with unruly(conduct) as receiver:
        attempt = tried(receiver.url)
        assert receiver.requests == 1
    assert (attempt.status, attempt.error, attempt.delivery.state) == (status, error, state)
    assert attempt.delivery.attempts == 1
    assert attempt.milliseconds < 2_500
    assert attempt.connected is not None
    assert attempt.connected <= attempt.sent <= attempt.milliseconds
    assert (attempt.answered is None) == (status is None)
    if state == "waiting":
        longest = 2 * STEP if "ages" in mode else 1.2 * STEP
        assert timedelta(seconds=0.8 * STEP) <= pause(attempt) <= timedelta(seconds=longest + 2)


def test_a_retry_after_of_ages_is_honoured_up_to_twice_the_step(courier):
    with unruly(answering("429 Slow down", AGES)) as receiver:
        assert timedelta(seconds=2 * STEP - 1) < pause(tried(receiver.url)) < timedelta(seconds=2 * STEP + 2)


def test_gone_disables_the_endpoint_at_once_and_what_waits_there_is_sent_nowhere(courier):
    with unruly(answering("410 Gone")) as receiver:
        to = tried(receiver.url).delivery.endpoint
        made = make_deliveries.delivery(to)
        other = tried(f"{receiver.url}/other", "mini-program")
        assert receiver.requests == 2
    assert other.delivery.endpoint_id != to.pk
    to.refresh_from_db()
    assert (to.is_active, to.disabled_reason, to.failing_since) == (False, "410 Gone", None)
    assert Delivery.objects.get(pk=made.pk).state == "waiting"


def test_the_log_keeps_the_first_20_kb_of_what_came_back(courier):
    with unruly(answering("500 Oops", body=b"\0\xff" + b"a" * 30_000)) as receiver:
        kept = tried(receiver.url).response
    assert len(kept) == 20_000
    assert kept.startswith("��a")


def test_a_slow_body_is_not_waited_for(courier):
    with unruly(saying(OK + b"Content-Length: 900\r\n\r\n", then=b".", dripping=True)) as receiver:
        attempt = tried(receiver.url)
    assert attempt.response.startswith(".")
    assert attempt.answered < attempt.milliseconds < 1_400


@pytest.mark.parametrize("wrong", ["self-signed", "expired", "another host", "no TLS at all"])
def test_a_certificate_that_proves_nothing_is_a_failure_and_nothing_is_sent(courier, tmp_path, wrong):
    host, days = "shop.example" if wrong == "another host" else "127.0.0.1", -1 if wrong == "expired" else 1
    tls, _public = certificate(tmp_path, host, days)
    with unruly(answering("200 OK"), None if wrong == "no TLS at all" else tls) as receiver:
        attempt = tried(f"https://127.0.0.1:{receiver.port}/hook")
        assert receiver.requests == 0
    assert (attempt.status, attempt.error, attempt.sent) == (None, "tls", None)


@pytest.mark.parametrize(
    ("host", "days", "error"), [("127.0.0.1", 1, ""), ("shop.example", 1, "tls"), ("127.0.0.1", -1, "tls")]
)
def test_a_certificate_is_judged_by_who_made_it_its_host_and_its_time(tmp_path, host, days, error):
    tls, public = certificate(tmp_path, host, days)

    async def sent():
        async with sending.new_session(ssl.create_default_context(cafile=public)) as session:
            return await sending.post(session, receiver.url, {}, b"{}")

    with unruly(answering("200 OK"), tls) as receiver:
        assert asyncio.run(sent()).error == error


class TestNames:
    """DNS is not ours: whatever a name leads to is judged where the connection is made."""

    @pytest.fixture
    def names(self, monkeypatch, settings):
        """Names with the addresses they have at each asking, the last of them for good."""
        settings.INTERNAL_NETWORKS = []
        known, real = {}, socket.getaddrinfo

        def answer(host, port, *args, **kwargs):
            if host not in known:
                return real(host, port, *args, **kwargs)
            now = known[host].pop(0) if len(known[host]) > 1 else known[host][0]
            return [each for ip in now for each in real(ip, port, *args, **kwargs)]

        monkeypatch.setattr(socket, "getaddrinfo", answer)
        return known

    @pytest.mark.parametrize(
        "ip", ["127.0.0.1", "10.0.0.7", "169.254.169.254", "168.63.129.16", "::1", "::ffff:127.0.0.1", "2002:7f00:1::"]
    )
    def test_a_name_that_leads_inside_is_refused(self, courier, names, ip):
        names["shop.example"] = [[ip]]
        with receiving() as backend:
            attempt = tried(f"http://shop.example:{backend.server_port}/hook")
        assert backend.received == []
        assert (attempt.status, attempt.error, attempt.connected) == (None, "address", None)
        assert attempt.delivery.state == "waiting"

    def test_a_name_that_led_elsewhere_when_it_was_typed_is_refused_when_it_is_called(self, courier, names):
        names["shop.example"] = [["93.184.216.34"], ["127.0.0.1"]]
        with receiving() as backend:
            url = f"http://shop.example:{backend.server_port}/hook"
            assert refuse_internal(url).ips == ("93.184.216.34",)
            assert tried(url).error == "address"
        assert backend.received == []

    def test_a_name_that_nobody_knows_is_a_failure(self, courier, monkeypatch):
        def unknown(*_args, **_kwargs):
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

        monkeypatch.setattr(socket, "getaddrinfo", unknown)
        assert tried("http://nowhere.example/hook").error == "dns"


def test_who_does_not_listen_is_a_failure(courier):
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        attempt = tried(f"http://127.0.0.1:{held.getsockname()[1]}/hook")
    assert (attempt.error, attempt.connected, attempt.sent) == ("connect", None, None)


def test_staff_read_what_was_seen_on_the_page_of_an_attempt(courier):
    with unruly(answering("500 Oops", body=b"stack trace")) as receiver:
        attempt = tried(receiver.url)
    Attempt.objects.update(connected=11, sent=22, answered=33, milliseconds=F("milliseconds"))
    browser: Client = make_staff.signed_in("engineer", [Endpoint.objects.get().channel])
    page = browser.get(f"/admin/sync/attempt/{attempt.pk}/change/").content.decode()
    assert all(each in page for each in ("stack trace", "11", "22", "33", "建立连接用时"))

"""The browser's client in a real browser, on a shop's own origin: CORS, storage, locks between tabs, the socket."""

from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO

import httpx
import psycopg
import pytest
from PIL import Image
from playwright.sync_api import Page

from tests.browser.conftest import browser  # noqa: F401 - a fixture
from tests.clients.twins import FOLDER
from tests.journeys.clients import OPEN, Backend
from tests.processes import await_that
from tests.serving import serving

pytestmark = [pytest.mark.timeout(400), pytest.mark.slow]
PHONE = "13700137002"
EXPIRE = "UPDATE members_session SET access_expires_at = clock_timestamp() WHERE member_id = %s"
ALLOW = "UPDATE sync_channel SET origins = origins || ARRAY[%s::varchar] WHERE code = 'website'"
OPENED = """async base => {
    const { HubClient } = await import("/hub-client.js");
    window.asked = [];
    const { fetch } = window;
    window.fetch = (url, init) => (window.asked.push(`${init.method} ${url}`), fetch(url, init));
    window.hub = new HubClient({ channel: "website", base });
    window.heard = { event: [], session: [], signedout: [], connection: [], error: [] };
    for (const name of Object.keys(heard)) hub.on(name, detail => void heard[name].push(detail));
    if (hub.signedIn) hub.live.start();
}"""
SIGN_IN = """async ({ phone, challenge, code }) => {
    if (!challenge) return (await hub.sendCode("sign_in", phone)).challenge_id;
    const { results } = await hub.policies();
    const consents = results.filter(({ required }) => required).map(({ purpose, version }) => ({ purpose, version }));
    hub.live.start();
    return (await hub.signInByPhone(challenge, code, consents)).member.id;
}"""
STORED = "() => JSON.stringify(Object.entries(localStorage).sort())"
TEN_CALLS = "async () => (await Promise.all(Array.from({ length: 10 }, () => hub.points()))).length"
UPLOAD = """async bytes => (await hub.uploadAvatar(new Blob([new Uint8Array(bytes)]))).avatar_url"""


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_args):
        """Requests are no news."""


@pytest.fixture
def shop(hub):
    """The origin of a shop that has copied the file; the website's channel knows it."""
    files = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(FOLDER)))
    with serving(files) as origin:
        with psycopg.connect(hub.database_url) as database:
            database.execute(ALLOW, [origin])
        yield origin
    OPEN.close()


@pytest.fixture
def tabs(browser, hub, shop):  # noqa: F811 - the fixture
    """Two tabs of one profile."""
    context = browser.new_context()
    yield [opened(context.new_page(), hub, shop) for _ in range(2)]
    context.close()


def opened(page: Page, hub, shop: str) -> Page:
    page.goto(f"{shop}/hub-client.d.ts")  # any document of the origin
    page.evaluate(OPENED, f"{hub.url}/api/v1")
    return page


def heard(page: Page, signal: str) -> list:
    return page.evaluate("name => heard[name]", signal)


def placed(page: Page) -> list[str]:
    return [event["data"]["external_id"] for event in heard(page, "event") if event["type"] == "order.placed"]


def await_placed(page: Page, *names: str) -> None:
    await_that(lambda: placed(page) == list(names), 40, lambda: f"{placed(page)}: {heard(page, 'connection')}")


def refreshes(page: Page) -> int:
    return sum(asked.endswith("/auth/refresh") for asked in page.evaluate("asked"))


def test_a_shop_on_its_own_origin_signs_in_and_hears_of_an_order_in_every_tab(hub, shop, tabs):
    one, two = tabs
    challenge = one.evaluate(SIGN_IN, {"phone": PHONE})
    sent = httpx.get(f"{hub.url}/sandbox/sms", params={"phone": PHONE}, trust_env=False).json()["results"][0]
    member = one.evaluate(SIGN_IN, {"challenge": challenge, "code": sent["code"]})
    await_that(lambda: heard(two, "session") == [None], 20, lambda: "the other tab heard nothing")
    two.evaluate("() => hub.live.start()")
    for page in tabs:
        await_that(lambda page=page: heard(page, "connection")[-1:] == ["live"], 20, lambda: "not live")

    backend = Backend(hub.url, "website")
    backend.place(member, "CH-1")
    for page in tabs:
        await_placed(page, "CH-1")

    with psycopg.connect(hub.database_url) as database:
        database.execute(
            "UPDATE members_session SET access_expires_at = clock_timestamp() WHERE member_id = %s", [member]
        )
    for page in tabs:
        page.evaluate(f"() => {{ window.calls = ({TEN_CALLS})() }}")
    assert [page.evaluate("() => window.calls") for page in tabs] == [10, 10]
    # Often one. A tab may read what is stored a moment late, or an answer be missing: then the same successor again.
    assert 1 <= sum(map(refreshes, tabs)) <= 2
    await_that(lambda: len({page.evaluate(STORED) for page in tabs}) == 1, 20, lambda: "the tabs differ")

    one.evaluate("() => hub.me()")
    assert one.evaluate("async () => (await hub.updateMe({ nickname: '谷雨' })).nickname") == "谷雨"
    drawn = BytesIO()
    Image.new("RGB", (30, 40), "green").save(drawn, "PNG")
    assert "/avatars/" in one.evaluate(UPLOAD, list(drawn.getvalue()))

    one.evaluate("() => dispatchEvent(new Event('pagehide'))")  # as the page goes into the back-forward cache
    backend.place(member, "CH-2")
    await_placed(two, "CH-1", "CH-2")
    one.evaluate("() => dispatchEvent(new Event('pageshow'))")
    await_placed(one, "CH-1", "CH-2")

    opened(two, hub, shop)  # a new document goes on where the last one was
    backend.place(member, "CH-3")
    await_placed(two, "CH-3")

    one.evaluate("() => hub.signOut()")
    await_that(lambda: heard(two, "signedout") == ["elsewhere"], 20, lambda: "the other tab heard nothing")
    assert two.evaluate("() => localStorage.length") == 0
    assert [heard(page, "error") for page in tabs] == [[], []]

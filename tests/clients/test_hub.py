"""Both clients at once, of one person, against the real processes: nothing passes between them but through the hub."""

from io import BytesIO

import httpx
import psycopg
import pytest
from PIL import Image

from tests.clients.driving import Client, Place, RefusedError
from tests.clients.people import agreed, sign_in_by_phone, sign_in_by_wechat, sign_in_by_wx_login
from tests.journeys.clients import Backend
from tests.processes import await_that

pytestmark = [pytest.mark.timeout(400), pytest.mark.slow, pytest.mark.usefixtures("hang_up")]
PHONE = "13700137001"


@pytest.fixture(scope="module")
def page(hub):
    """The website in a browser."""
    place = Place("browser", origin=hub.url)
    yield Client(place, channel="website", base=f"{hub.url}/api/v1")
    place.close()


@pytest.fixture(scope="module")
def app(hub):
    """The mini-program on a phone."""
    place = Place("wx")
    yield Client(place, channel="mini-program", base=f"{hub.url}/api/v1")
    place.close()


@pytest.fixture(scope="module")
def backend(hub) -> Backend:
    return Backend(hub.url, "mini-program")


@pytest.fixture(scope="module")
def member(page, app, sandbox) -> str:
    """One person: by SMS on the website; in the mini-program by wx.login, consent, and WeChat's phone component."""
    user = sandbox.post("wechat/users", json={"phone": PHONE}).json()
    known = sign_in_by_phone(page, sandbox, PHONE)["member"]
    page.call("live.start")
    page.await_live()

    sign_in_by_wx_login(app, sandbox, user["openid"])
    app.call("live.start")
    app.await_live()
    code = sandbox.post(f"wechat/users/{user['openid']}/phone-code").json()["code"]
    bound = app.call("linkWechatPhone", code)
    assert (bound["linked"], bound["member"]["id"]) == (True, known["id"])
    app.await_live()
    return known["id"]


@pytest.fixture
def both(page, app, member) -> list[Client]:
    for client in (page, app):
        client.place.happen("show")
        client.await_live()
    return [page, app]


def placed(client: Client) -> list[str]:
    """The orders of which a client heard that they were placed, once per event."""
    return [event["data"]["external_id"] for event in client.heard("event") if event["type"] == "order.placed"]


def await_placed(client: Client, external_id: str) -> None:
    await_that(lambda: external_id in placed(client), 40, lambda: f"{external_id} never came: {client.place.see()}")


def gapless(client: Client) -> bool:
    """Whether the events since the member is who they are came once, in sequence."""
    heard = client.sequences()
    return heard == list(range(heard[0], heard[0] + len(heard)))


def test_signed_in_on_both_they_are_one_member(both, member):
    page, app = both
    left, right = page.call("me"), app.call("me")
    assert (left["id"], left["number"], left["phone"]) == (right["id"], right["number"], "137****7001")
    assert app.heard("signedout") == []
    assert [seen["memberId"] for client in both for seen in client.place.see()["clients"].values()] == [member] * 2


def test_a_qr_code_and_a_grant_of_the_shops_own_login_sign_in_too(hub, page, backend, sandbox, member):
    place = Place("browser", origin=hub.url)
    try:
        by_code = Client(place, "by_code", channel="website", base=page.base)
        assert sign_in_by_wechat(by_code, sandbox)["created"]
        by_code.call("signOut")

        shop = Backend(hub.url, "website")
        who = {"identity": {"kind": "external", "value": "shop-77"}, "consents": [], "device": "d-1"}
        evidence = {"granted_at": "2026-01-01T00:00:00.000Z", "evidence": "sign-up form"}
        who["consents"] = [consent | evidence for consent in agreed(page)]
        grant = shop.call("POST", "sign-in-grants", 201, json=who).json()["grant"]
        by_grant = Client(place, "by_grant", channel="website", base=page.base)
        assert by_grant.call("signInByGrant", grant)["assurance"] == 1
    finally:
        place.close()


def test_an_order_that_a_backend_places_appears_on_both(both, backend, member):
    order = backend.place(member, "CL-1")
    for client in both:
        await_placed(client, "CL-1")
        assert client.call("order", order["number"])["total_fen"] == 12_900


def test_sockets_that_are_killed_five_times_tell_everything_once_in_sequence(both, backend, member):
    marks = [len(client.heard("event")) for client in both]
    for turn in range(5):
        backend.place(member, f"CL-KILL-{turn}-before")
        for client in both:
            client.place.happen("cut")
        backend.place(member, f"CL-KILL-{turn}-while")
        for client in both:
            await_placed(client, f"CL-KILL-{turn}-while")
    names = [f"CL-KILL-{turn}-{when}" for turn in range(5) for when in ("before", "while")]
    for client, mark in zip(both, marks, strict=True):
        since = client.heard("event")[mark:]
        numbers = [int(event["sequence"]) for event in since]
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
        assert [event["data"]["external_id"] for event in since if event["type"] == "order.placed"] == names
        assert [event["id"] for event in client.call("events", numbers[0] - 1)] == [event["id"] for event in since]
        assert client.place.see()["lines"] == 1


def test_what_was_told_is_acknowledged(hub, both, backend, member):
    backend.place(member, "CL-ACK")
    for client in both:
        await_placed(client, "CL-ACK")
    asked = "SELECT count(*) FROM sync_acknowledged WHERE subject = %s AND sequence = %s"
    with psycopg.connect(hub.database_url, autocommit=True) as database:
        values = [f"member/{member}", max(both[0].sequences())]
        await_that(lambda: database.execute(asked, values).fetchone()[0] == 2, 20, lambda: "not acknowledged")


def test_a_token_that_expires_amid_ten_calls_is_refreshed_once(hub, both, member):
    expire = "UPDATE members_session SET access_expires_at = clock_timestamp() WHERE member_id = %s"
    before = [client.place.see()["asked"].count("POST /api/v1/auth/refresh") for client in both]
    with psycopg.connect(hub.database_url) as database:
        database.execute(expire, [member])
    calls = [client.begin("points") for client in both for _ in range(10)]
    assert all("available" in call.result(40) for call in calls)
    after = [client.place.see()["asked"].count("POST /api/v1/auth/refresh") for client in both]
    assert [now - then for now, then in zip(after, before, strict=True)] == [1, 1]
    assert [client.heard("signedout") for client in both] == [[], []]


def test_lists_are_read_to_their_end(both, backend, member):
    for turn in range(3):
        backend.place(member, f"CL-LIST-{turn}")
    for client in both:
        numbers = [order["number"] for order in client.call("orders", {"limit": 2})]
        assert len(numbers) == len(set(numbers)) == len(client.call("orders", {"limit": 100}))


def test_a_change_reaches_the_other_side_and_a_stale_one_is_refused(both):
    page, app = both
    page.call("me")
    app.call("updateMe", {"nickname": "小满"})
    with pytest.raises(RefusedError) as refused:
        page.call("updateMe", {"nickname": "立夏"})
    assert refused.value.code == "version_conflict"
    assert refused.value.told["problem"]["current"]["nickname"] == "小满"
    page.call("updateMe", {"nickname": "立夏"})
    assert app.call("me")["nickname"] == "立夏"


def test_a_picture_is_uploaded_from_both(hub, both, tmp_path):
    for client, colour in zip(both, ("red", "blue"), strict=True):
        drawn = BytesIO()
        Image.new("RGB", (40, 30), colour).save(drawn, "PNG")
        (tmp_path / "me.png").write_bytes(drawn.getvalue())
        shown = client.call("uploadAvatar", {"$file": str(tmp_path / "me.png")})["avatar_url"]
        picture = httpx.get(shown if "://" in shown else f"{hub.url}{shown}", trust_env=False)
        assert picture.headers["Content-Type"] == "image/jpeg"


def test_the_same_key_opens_one_payment(both, backend, member):
    number = backend.place(member, "CL-PAY")["number"]
    app = both[1]
    first, again = (app.call("pay", number, "wechat_jsapi", {"key": "pay-CL-PAY"}) for _ in range(2))
    assert first == again
    with pytest.raises(RefusedError) as refused:
        app.call("cancelOrder", number, {"key": "pay-CL-PAY"})
    assert refused.value.code == "idempotency_key_reused"


def test_what_happened_in_the_background_is_told_in_front(both, backend, member):
    app = both[1]
    app.place.happen("hide")
    backend.place(member, "CL-HIDDEN-1")
    backend.place(member, "CL-HIDDEN-2")
    await_placed(both[0], "CL-HIDDEN-2")
    assert "CL-HIDDEN-1" not in placed(app)
    app.place.happen("show")
    await_placed(app, "CL-HIDDEN-2")
    assert gapless(both[0])
    seen = app.place.see()
    assert (seen["refused"], seen["sockets"] <= 5, seen["requests"] <= 10) == ([], True, True)


def test_processes_that_are_killed_cost_no_event(hub, both, backend, member):
    for name in ("live", "relay", "live"):
        old = hub.kill(name)
        backend.place(member, f"CL-{name}-{old}")
        hub.await_again(name, old)
        for client in both:
            await_placed(client, f"CL-{name}-{old}")
    assert gapless(both[0])
    assert [len(placed(client)) for client in both] == [len(set(placed(client))) for client in both]


def test_a_session_that_is_ended_elsewhere_signs_out(hub, both, sandbox, member):
    place = Place("browser", origin=hub.url)
    third = Client(place, channel="website", base=f"{hub.url}/api/v1")
    try:
        assert sign_in_by_phone(third, sandbox, PHONE)["member"]["id"] == member
        third.call("live.start")
        third.await_live()
        with psycopg.connect(hub.database_url) as database:
            newest = "SELECT id FROM members_session WHERE member_id = %s ORDER BY created_at DESC LIMIT 1"
            (session,) = database.execute(newest, [member]).fetchone()
        both[1].call("endSession", str(session))
        assert third.await_heard("signedout", timeout=10) == ["token_revoked"]
        assert place.see()["stored"] == []
    finally:
        place.close()
    assert [client.heard("signedout") for client in both] == [[], []]


def test_signed_out_nothing_is_left(both):
    for client in both:
        client.call("signOut")
        assert client.heard("signedout") == ["signed_out"]
        assert client.place.see()["stored"] == []

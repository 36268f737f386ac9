"""A copy of one's own data: all of it, of nobody else, fetched once within a day."""

import io
import json
import zipfile
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client

from loyalty import services as loyalty
from members import exporting, merging, privacy, services
from members.models import Address, Avatar, Consent, ExportFile, LinkCase, PrivacyRequest
from sync import secret
from sync.act import SYSTEM, act
from sync.clock import Clock
from tests import make
from tests.members import make_privacy
from tests.orders import make_orders

pytestmark = pytest.mark.django_db
PHONE, OTHERS = "+8613800138000", "+8613900139000"
PLACE = {"receiver": "王小明", "province": "浙江省", "city": "杭州市", "street": "文三路 1 号"}


def asked(client) -> str:
    """The id of a copy that was asked for and made."""
    answer = client.post("me/exports")
    assert answer.status_code == 202, answer.json()
    exporting.make_due()
    return answer.json()["id"]


def fetched(client):
    """What following the link gives."""
    return Client().get(client.get(f"me/exports/{asked(client)}").json()["url"].removeprefix("http://127.0.0.1:8000"))


def opened(client) -> tuple[dict, dict[str, str]]:
    """The copy: its data, and its pages by name."""
    with zipfile.ZipFile(io.BytesIO(fetched(client).content)) as archive:
        texts = {name: archive.read(name).decode() for name in archive.namelist() if name.endswith(("html", "json"))}
    return json.loads(texts.pop("data.json")), texts


def test_asking_takes_a_step_up():
    refused = make.member_client().post("me/exports")
    assert (refused.status_code, refused.json()["code"]) == (403, "step_up_required")
    assert not PrivacyRequest.objects.exists()


def test_one_is_made_at_a_time_and_three_a_day(still_windows, settings):
    settings.QUOTA_FACTOR = 1
    client = make_privacy.stepped_up()
    ids = {client.post("me/exports").json()["id"] for _turn in range(5)}
    assert len(ids) == 1
    for _turn in range(3):
        exporting.make_due()
        last = client.post("me/exports")
    assert (last.status_code, last.json()["code"]) == (429, "rate_limited")
    assert PrivacyRequest.objects.count() == 3


def test_a_copy_waits_is_ready_is_fetched_once():
    client = make_privacy.stepped_up()
    key = client.post("me/exports").json()["id"]
    assert client.get(f"me/exports/{key}").json() == {"id": key, "state": "waiting"}

    assert exporting.make_due() == 1
    ready = client.get(f"me/exports/{key}")
    assert ready.json()["state"] == "ready"
    assert ready["Cache-Control"] == "no-store"
    path = ready.json()["url"].removeprefix("http://127.0.0.1:8000")

    first, second = Client().get(path), Client().get(path)
    assert (first.status_code, second.status_code) == (200, 410)
    assert first["Content-Type"] == "application/zip"
    assert "no-store" in first["Cache-Control"]
    assert "attachment" in first["Content-Disposition"]
    assert client.get(f"me/exports/{key}").json() == {"id": key, "state": "fetched"}
    assert ExportFile.objects.get().content is None


def test_the_link_is_shown_to_its_owner_after_a_step_up_only():
    client = make_privacy.stepped_up()
    key = asked(client)
    assert make.member_client(client.member).get(f"me/exports/{key}").json()["code"] == "step_up_required"
    assert make_privacy.stepped_up().get(f"me/exports/{key}").status_code == 404


@pytest.mark.parametrize("token", ["", "nothing", "你好"])
def test_without_its_token_a_link_opens_nothing(token):
    key = asked(make_privacy.stepped_up())
    assert Client().get(f"/exports/{key}", {"token": token}).status_code == 410
    assert Client().head(f"/exports/{key}", {"token": exporting._token(key)}).status_code == 405
    assert ExportFile.objects.get().content


def test_after_a_day_it_is_gone():
    client = make_privacy.stepped_up()
    key = asked(client)
    url = exporting.link(key)
    ExportFile.objects.update(expires_at=Clock() - timedelta(seconds=1))
    assert client.get(f"me/exports/{key}").json() == {"id": key, "state": "expired"}
    assert Client().get(url.removeprefix("http://127.0.0.1:8000")).status_code == 410
    assert exporting.drop_expired() == 1
    assert ExportFile.objects.get().content is None


def test_at_rest_it_is_sealed_and_its_token_nowhere():
    client = make_privacy.stepped_up(make.member(phone=PHONE))
    key = asked(client)
    kept = bytes(ExportFile.objects.get().content)
    assert b"PK" not in kept[:4]
    assert secret.unseal(kept, f"members_exportfile.content:{key}")[:2] == b"PK"
    token = exporting.link(key).partition("token=")[2]
    assert token not in "".join(make.snapshot().values())


def test_a_newer_copy_makes_an_older_link_useless():
    client = make_privacy.stepped_up()
    old = exporting.link(asked(client))
    asked(client)
    assert Client().get(old.removeprefix("http://127.0.0.1:8000")).status_code == 410


def test_what_a_crash_left_is_made_later():
    client = make_privacy.stepped_up()
    client.post("me/exports")
    PrivacyRequest.objects.update(state="running", begun_at=Clock())
    assert exporting.make_due() == 0
    PrivacyRequest.objects.update(begun_at=Clock() - timedelta(minutes=3))
    assert exporting.make_due() == 1


def test_one_that_cannot_be_made_holds_up_nobody(caplog):
    ill, well = make_privacy.stepped_up(make.member(phone=PHONE)), make_privacy.stepped_up()
    for client in (ill, well):
        client.post("me/exports")
    with connection.cursor() as cursor:  # as if a key were missing
        cursor.execute("UPDATE members_member SET phone = '\\x00' WHERE id = %s", [ill.member.pk])
    assert exporting.make_due() == 1
    assert set(PrivacyRequest.objects.values_list("member", "state")) == {
        (ill.member.pk, "running"),
        (well.member.pk, "done"),
    }
    assert "13800138000" not in caplog.text


@act
def merged(source, target):
    source, target = services.lock(source.id, target.id)
    merging.merge(source, target, why="both are one", by=SYSTEM)


@pytest.fixture
def person():
    """Somebody with all there is, who absorbed another; and strangers who come near."""
    member = make.member(phone=PHONE, openid="openid-of-ming-long", nickname="<b>小明</b>", email="ming@example.cn")
    make_orders.order(
        member=member, channel="mini-program", fen=12_345, lines=2, external_id="OWN-1",
        address=PLACE | {"phone": PHONE}, contact={"phone": PHONE, "name": "王小明"}, buyer_note="请快点",
    )  # fmt: skip
    loyalty.earn(member=member.pk, points=50, reference="e", by=SYSTEM)
    Address.objects.create(member=member, phone=PHONE, **PLACE)
    Avatar.objects.create(member=member, content=b"picture", content_type="image/webp")
    Consent.objects.create(member=member, purpose="terms", version="1", act="granted", evidence="till 7")
    absorbed = make.member(nickname="同一人", openid="openid-that-came-along")
    Address.objects.create(member=absorbed, phone=PHONE, **PLACE | {"street": "龙井路 8 号"})
    merged(absorbed, member)

    stranger = make.member(phone=OTHERS, nickname="李华", email="li@example.cn")
    Address.objects.create(member=stranger, phone=OTHERS, **PLACE | {"receiver": "李华"})
    LinkCase.objects.create(member=member, other=stranger, kind="merge", identity_kind="phone", mask="139****9000")
    make_orders.order(member=stranger, external_id="NOT-MINE", address=PLACE | {"phone": PHONE, "receiver": "李华"})
    make_orders.order(external_id="GUEST-1", contact={"phone": PHONE, "name": "某客人"})
    privacy.enter(member=member.pk, kind="correction", note="李华 says the name is wrong", by=make.STAFF)
    return make_privacy.stepped_up(member)


def test_a_copy_holds_all_that_is_the_persons(person):
    data, _pages = opened(person)
    assert data["profile"]["phone"] == PHONE
    assert {row["value"] for row in data["identities"]} == {PHONE, "openid-of-ming-long", "openid-that-came-along"}
    assert {row["street"] for row in data["addresses"]} == {"文三路 1 号", "龙井路 8 号"}
    (order,) = data["orders"]
    assert (order["external_id"], order["total_fen"], len(order["lines"])) == ("OWN-1", 12_345, 2)
    assert order["recipient"]["receiver"] == "王小明"
    assert order["buyer_note"] == "请快点"
    assert data["points"]["available"] == 50
    assert [entry["points"] for entry in data["entries"]] == [50]
    assert [row["purpose"] for row in data["consents"]] == ["terms"]
    assert [row["kind"] for row in data["privacy_requests"]] == ["correction", "export"]
    assert len(data["merges"]) == len(data["link_cases"]) == 1
    assert data["sessions"]


def test_a_copy_holds_nothing_of_anybody_else(person):
    data, pages = opened(person)
    for text in (json.dumps(data, ensure_ascii=False), *pages.values()):
        for word in ("李华", "li@example.cn", "13900139000", "9000", "NOT-MINE", "GUEST-1", "某客人", "staff/"):
            assert word not in text


def test_its_pages_read_in_both_languages_and_run_nothing(person):
    _data, pages = opened(person)
    assert set(pages) == {"我的数据.html", "my-data.html"}
    assert "¥123.45" in pages["我的数据.html"]
    assert "收货人" in pages["我的数据.html"]
    assert "Receiver" in pages["my-data.html"]
    for page in pages.values():
        assert "<b>小明" not in page
        assert "&lt;b&gt;小明" in page
        assert "<script" not in page


def test_the_picture_comes_along(person):
    with zipfile.ZipFile(io.BytesIO(fetched(person).content)) as archive:
        assert archive.read("avatar.webp") == b"picture"


@pytest.mark.django_db(transaction=True)
def test_of_two_who_fetch_at_once_one_gets_it():
    key = asked(make_privacy.stepped_up())

    def fetch(_turn):
        try:
            return exporting.fetch(key)
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        got = list(pool.map(fetch, range(4)))
    assert len([content for content in got if content]) == 1

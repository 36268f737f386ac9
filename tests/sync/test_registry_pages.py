"""The registry in the admin: made and revoked by whoever may, shown once, kept in the trail without the secret."""

import re

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.messages import get_messages

from config.told import TYPES
from sync import registry, samples
from sync.models import Channel, ChannelKey, Endpoint, Scope
from tests import contract, make
from tests.config import make_staff
from tests.sync import make_deliveries
from tests.sync.receiver import SECRET, Answer, receiving

pytestmark = pytest.mark.django_db
SHOWN = re.compile(r'id="secret" value="([^"]+)"')
NEW_KEY, NEW_ENDPOINT = "/admin/sync/channelkey/add/", "/admin/sync/endpoint/add/"


@pytest.fixture
def website():
    return make.channel("website")


@pytest.fixture
def browser(website):
    return make_staff.signed_in("administrator", [website])


def page_of(row) -> str:
    return f"/admin/sync/{row._meta.model_name}/{row.pk}/change/"


def asked(browser, path: str, **given):
    """Open the page, fill in, send: what a browser does with hidden fields."""
    form = browser.get(path).context["form"]
    hidden = {field.html_name: field.value() or "" for field in form.hidden_fields()}
    return hidden | given


def secret_in(answer) -> str:
    (found,) = SHOWN.findall(answer.content.decode())
    return found


def wrong(answer) -> dict:
    """What the form says, by field."""
    assert answer.status_code == 200
    form = answer.context["adminform"].form if "adminform" in answer.context else answer.context["form"]
    return {name: [str(each) for each in errors] for name, errors in form.errors.items()}


def told_anywhere(browser, secret: str, row) -> bool:
    """Whether the secret can be found after the page that showed it: pages, trail, log, messages, tables."""
    pages = [page_of(row), page_of(row).removesuffix("change/") + "history/", f"/admin/sync/{row._meta.model_name}/"]
    shown = [browser.get(each) for each in pages]
    assert [each.status_code for each in shown] == [200] * 3
    said = [str(each) for answer in shown for each in get_messages(answer.wsgi_request)]
    return any(secret in text for text in [*(a.content.decode() for a in shown), *said, str(make.snapshot())])


# --- keys -------------------------------------------------------------------------------------------------------
def test_a_key_is_made_shown_once_and_works_at_once(browser, website):
    given = asked(browser, NEW_KEY, channel=website.pk, label="ERP", scopes=["feed:read", "orders:read"])
    answer = browser.post(NEW_KEY, given)
    clear = secret_in(answer)
    assert clear not in answer.wsgi_request.get_full_path()
    assert "no-store" in answer["Cache-Control"]
    backend = make.bearing(clear)
    assert (backend.get("feed").status_code, backend.get("orders").status_code) == (200, 200)
    assert backend.post("points/quote", {}).json()["code"] == "scope_missing"
    key = ChannelKey.objects.get()
    assert not told_anywhere(browser, clear, key)
    assert key.ending in browser.get("/admin/sync/channelkey/").content.decode()
    again = browser.post(NEW_KEY, given)
    assert (again.status_code, ChannelKey.objects.count()) == (302, 1)
    assert LogEntry.objects.get().user.username.startswith("administrator")


def test_a_key_without_a_label_or_a_scope_is_refused_beside_the_field(browser, website):
    before = make.snapshot()
    answer = browser.post(NEW_KEY, asked(browser, NEW_KEY, channel=website.pk, label=""))
    assert wrong(answer).keys() == {"label", "scopes"}
    answer = browser.post(NEW_KEY, asked(browser, NEW_KEY, channel=website.pk, label="x", scopes=["all:all"]))
    assert wrong(answer).keys() == {"scopes"}
    assert make.snapshot() == before


def test_a_revoked_key_is_refused_from_the_next_request_on(browser, website):
    backend = make.backend_client(website)
    key = ChannelKey.objects.get()
    assert backend.get("feed").status_code == 200
    assert browser.get(f"/admin/sync/channelkey/{key.pk}/revoke/").status_code == 405
    assert browser.post(f"/admin/sync/channelkey/{key.pk}/revoke/").status_code == 302
    assert backend.get("feed").status_code == 401
    page = browser.get(page_of(key)).content.decode()
    assert "已吊销" in page
    assert f"/admin/sync/channelkey/{key.pk}/revoke/" not in page


@pytest.mark.parametrize("role", ["operator", "manager", "support", "finance", "engineer", "auditor"])
def test_nobody_else_makes_or_revokes_a_key_or_sets_a_secret(website, role):
    make.backend_client(website)
    key, browser = ChannelKey.objects.get(), make_staff.signed_in(role, [website])
    before = make.snapshot()
    given = {"id": make.uuid7(), "channel": website.pk, "label": "x", "scopes": Scope.values}
    channel = f"/admin/sync/channel/{website.pk}/secret/"
    told = [
        browser.get(NEW_KEY),
        browser.post(NEW_KEY, given),
        browser.post(f"/admin/sync/channelkey/{key.pk}/revoke/"),
        browser.get(f"{channel}app_secret/"),
        browser.post(f"{channel}app_secret/", {"value": "0" * 32}),
        browser.post(f"{channel}inbound/", {}),
        browser.post(f"{channel}inbound/end/", {}),
    ]
    assert [each.status_code for each in told] == [403] * 7
    assert make.snapshot() == before


def test_what_belongs_to_a_channel_that_is_not_held_is_not_there(browser):
    other = make.channel("other", group="another")
    endpoint = make_deliveries.endpoint(other)
    make.backend_client(other)
    key, before = ChannelKey.objects.get(), make.snapshot()
    given = asked(browser, NEW_KEY, channel=other.pk, label="x", scopes=["feed:read"])
    assert wrong(browser.post(NEW_KEY, given)).keys() == {"channel"}
    for path in (
        f"channelkey/{key.pk}/revoke/",
        f"channel/{other.pk}/secret/inbound/",
        f"channel/{other.pk}/secret/app_secret/",
        f"channel/{other.pk}/secret/inbound/end/",
        f"endpoint/{endpoint.pk}/rotate/",
        f"endpoint/{endpoint.pk}/rotate/end/",
        f"endpoint/{endpoint.pk}/try/",
    ):
        assert browser.post(f"/admin/sync/{path}", {"value": "0" * 32}).status_code == 404, path
    assert make.snapshot() == before


# --- secrets ----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("name", "value"), [("app_secret", "0a" * 16), ("push_token", "tea_2026"), ("push_key", "k" * 43)]
)
def test_what_wechat_gave_is_written_and_never_read(browser, website, name, value):
    path = f"/admin/sync/channel/{website.pk}/secret/{name}/"
    assert browser.post(path, {"value": value}).status_code == 302
    changed = Channel.objects.get(pk=website.pk)
    assert getattr(changed, name) == value
    assert getattr(changed, f"{name}_at") is not None
    assert not told_anywhere(browser, value, website)
    assert value not in browser.get(path).content.decode()


@pytest.mark.parametrize(
    ("name", "value"), [("app_secret", ""), ("app_secret", "two words"), ("push_token", "茶"), ("push_key", "k" * 42)]
)
def test_what_is_no_secret_is_refused_beside_the_field_and_not_put_back(browser, website, name, value):
    before = make.snapshot()
    answer = browser.post(f"/admin/sync/channel/{website.pk}/secret/{name}/", {"value": value})
    assert wrong(answer).keys() == {"value"}
    assert not value or f'value="{value}"' not in answer.content.decode()
    assert make.snapshot() == before


def test_an_inbound_secret_is_rotated_shown_once_and_the_old_one_can_be_ended(browser, website):
    path, old = f"/admin/sync/channel/{website.pk}/secret/inbound/", website.inbound_secret
    given = asked(browser, path)
    new = secret_in(browser.post(path, given))
    changed = Channel.objects.get(pk=website.pk)
    assert (changed.inbound_secret, changed.old_inbound_secret) == (new, old)
    assert not told_anywhere(browser, new, website)
    assert wrong(browser.post(path, given)).keys() == {"at_once"}  # the same page again
    assert wrong(browser.post(path, asked(browser, path))).keys() == {"at_once"}
    assert wrong(browser.post(path, asked(browser, path, value="whsec_x"))).keys() == {"value"}
    assert "旧的有效至" in browser.get(page_of(website)).content.decode()
    assert browser.post(f"{path}end/").status_code == 302
    assert Channel.objects.get(pk=website.pk).old_inbound_secret is None
    staff = "administrator"
    assert staff in browser.get(page_of(website)).content.decode()


def test_an_endpoint_s_secret_is_shown_when_it_is_made_and_rotated(website):
    engineer = make_staff.signed_in("engineer", [website])
    given = {"channel": website.pk, "url": "http://127.0.0.1:9/hook", "types": ["order.paid", "order.shipped"]}
    first = secret_in(engineer.post(NEW_ENDPOINT, given))
    made = Endpoint.objects.get()
    assert (made.secret, made.types) == (first, ["order.paid", "order.shipped"])
    path = f"/admin/sync/endpoint/{made.pk}/rotate/"
    second = secret_in(engineer.post(path, asked(engineer, path)))
    changed = Endpoint.objects.get()
    assert (changed.secret, changed.old_secret) == (second, first)
    assert not any(told_anywhere(engineer, each, made) for each in (first, second))
    third = secret_in(engineer.post(path, asked(engineer, path, at_once="on")))
    changed = Endpoint.objects.get()
    assert (changed.secret, changed.old_secret, changed.overlap_until) == (third, None, None)


# --- trying -----------------------------------------------------------------------------------------------------
def tried(browser, endpoint: Endpoint, type: str = samples.TEST):
    return browser.post(f"/admin/sync/endpoint/{endpoint.pk}/try/", {"type": type})


@pytest.mark.parametrize("type", [samples.TEST, "order.paid", "member.updated"])
def test_an_address_is_tried_with_a_signed_sample(browser, website, type):
    with receiving(200) as backend:
        endpoint = Endpoint(channel=website, url=backend.url, secret=SECRET)
        endpoint.save()
        answer = tried(browser, endpoint, type)
    assert answer.context["tried"]["is_success"]
    (event,) = backend.received
    assert (event["type"], event["source"]) == (type, "/hub/samples")
    assert event["subject"] == f"member/{samples.NOBODY}"
    assert LogEntry.objects.count() == 1
    assert SECRET not in answer.content.decode()


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (Answer(302, {"Location": "/elsewhere"}), "重定向"),
        (500, "2xx"),
        (Answer(401, body=[b"who <b>are</b> you"]), "who &lt;b"),
    ],
)
def test_a_failure_is_shown_as_it_is(browser, website, answer, said):
    with receiving(answer) as backend:
        endpoint = Endpoint(channel=website, url=backend.url, secret=SECRET)
        endpoint.save()
        shown = tried(browser, endpoint)
    assert not shown.context["tried"]["is_success"]
    assert said in shown.content.decode()


def test_an_address_inside_is_not_called(browser, website, settings):
    with receiving(200) as backend:
        endpoint = Endpoint(channel=website, url=backend.url, secret=SECRET)
        endpoint.save()
        settings.INTERNAL_NETWORKS = []
        shown = tried(browser, endpoint)
        assert backend.received == []
    assert "该地址指向非公开网络" in shown.content.decode()


@pytest.mark.slow
def test_trying_is_counted_by_person(browser, website, settings, still_windows):
    settings.QUOTA_FACTOR = 1
    with receiving(200) as backend:
        endpoint = Endpoint(channel=website, url=backend.url, secret=SECRET)
        endpoint.save()
        for _turn in range(31):
            answer = tried(browser, endpoint)
        assert len(backend.received) == 30
    assert wrong(answer).keys() == {"type"}


def test_every_type_of_the_contract_has_a_sample_that_the_contract_allows(website):
    assert set(samples.TYPES) == set(TYPES)
    endpoint = make_deliveries.endpoint(website)
    for type in TYPES:
        contract.hold_event(make.json.loads(samples.sample(type, endpoint)[1]))


# --- the rest of the row ----------------------------------------------------------------------------------------
def filled(browser, channel: Channel, **changed) -> dict:
    """The channel's form as its page shows it, with changes."""
    form = browser.get(page_of(channel)).context["adminform"].form
    shown = {field.html_name: field.value() for field in form}
    known = {name: value for name, value in shown.items() if value is not None and value is not False}
    return {name: value for name, value in (known | changed).items() if value is not None}


def test_all_a_channel_is_can_be_changed_on_its_page(browser, website):
    new = {
        "visible_fields": ["nickname"],
        "sign_in_methods": ["phone", "grant"],
        "origins": "https://Shop.example.cn/, http://127.0.0.1:9000,https://shop.example.cn",
        "calls_per_minute": "600",
        "sms_per_day": "1000",
        "is_trusted": "on",
    }
    answer = browser.post(page_of(website), filled(browser, website, **new))
    assert answer.status_code == 302, wrong(answer)
    changed = Channel.objects.get(pk=website.pk)
    assert (changed.visible_fields, changed.sign_in_methods) == (["nickname"], ["phone", "grant"])
    assert changed.origins == ["https://shop.example.cn", "http://127.0.0.1:9000"]
    assert (changed.calls_per_minute, changed.sms_per_day, changed.is_trusted) == (600, 1000, True)
    assert (changed.inbound_secret, changed.app_secret) == (website.inbound_secret, website.app_secret)
    page = browser.get("/api/v1/policies", headers={"X-Channel": "website", "Origin": "https://shop.example.cn"})
    assert page["Access-Control-Allow-Origin"] == "https://shop.example.cn"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(
            ("origins", each)
            for each in ("*", "https://*.example.cn", "https://a.cn/path", "a.cn", "ftp://a.cn", "null")
        ),
        ("origins", "https://a.cn:port"),
        ("visible_fields", "password"),
        ("sign_in_methods", "magic"),
        ("app_id", "wx-mini-program"),
        ("calls_per_minute", "-1"),
        ("access_minutes", "0"),
        ("name", ""),
    ],
)
def test_what_does_not_fit_is_refused_beside_its_field(browser, website, field, value):
    make.channel("mini-program")
    before = make.snapshot()
    answer = browser.post(page_of(website), filled(browser, website, **{field: value}))
    assert wrong(answer).keys() == {field}
    assert make.snapshot() == before


def test_an_address_is_there_once_per_channel(browser, website):
    one, two = (make_deliveries.endpoint(website, f"http://127.0.0.1:9/{each}") for each in "ab")
    given = {"url": one.url, "types": "order.paid,order.placed", "is_active": "on"}
    assert wrong(browser.post(page_of(two), given)).keys() == {"url"}
    assert wrong(browser.post(page_of(two), given | {"url": two.url, "types": "order.bought"})).keys() == {"types"}
    assert browser.post(page_of(two), given | {"url": two.url}).status_code == 302
    assert Endpoint.objects.get(pk=two.pk).types == ["order.paid", "order.placed"]


def test_a_channel_is_made_in_the_admin(browser):
    known = Channel.objects.get(code="website")
    given = {"code": "till", "name": "门店", "kind": "store", "group": known.group_id, "is_active": "on"}
    given |= {name: str(getattr(known, name)) for name in ("earn_per_entry", "earn_per_member", "earn_per_day")}
    given |= {name: str(getattr(known, name)) for name in ("access_minutes", "session_idle_days", "session_max_days")}
    answer = browser.post("/admin/sync/channel/add/", given | {"refund_window_days": "7", "visible_fields": ["phone"]})
    assert answer.status_code == 302, wrong(answer)
    made = Channel.objects.get(code="till")
    assert (made.visible_fields, made.sign_in_methods, made.inbound_secret) == (["phone"], [], None)
    assert browser.get(page_of(made)).status_code == 200
    assert registry.rotate_inbound(made.pk, as_of=None)


def test_who_only_looks_reads_it_in_words_and_finds_no_way_to_change(website):
    endpoint, operator = make_deliveries.endpoint(website), make_staff.signed_in("operator", [website])
    page = operator.get(page_of(website)).content.decode()
    assert "短信验证码" in page
    assert "邮箱（脱敏）" in page
    assert "/secret/" not in page
    page = operator.get(page_of(endpoint)).content.decode()
    assert "出站签名密钥" in page
    assert f"{endpoint.pk}/rotate/" not in page
    assert f"{endpoint.pk}/try/" not in page

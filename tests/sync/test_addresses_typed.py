"""Every address that staff can type is judged when it is typed and whenever it is called; nothing else calls out."""

import re
from pathlib import Path

import pytest
from django.contrib import admin
from django.db.models import URLField
from django.test import RequestFactory

from sync import forwarding
from tests import make
from tests.config import make_staff
from tests.sync import make_deliveries
from tests.sync.receiver import receiving
from tests.sync.unruly import answering, unruly

ROOT = Path(__file__).resolve().parents[2]
FLOORS = ("sync", "members", "loyalty", "orders", "config")
CLIENTS = re.compile(r"^(import|from) (httpx|aiohttp|requests|urllib3|urllib\.request|http\.client)\b", re.MULTILINE)
CALLS_OUT = {
    "sync/courier/sending.py",  # webhooks, pushes passed on, alerts, tests of an endpoint: judged at each connection
    "members/calling.py",  # WeChat and SMS, at addresses of the environment
    "orders/payments/calling.py",  # WeChat Pay, likewise
    "orders/payments/billing.py",
    "config/launch.py",  # its own processes
}
INSIDE = [
    "http://127.0.0.1/hook",
    "http://[::ffff:10.0.0.1]/",
    "https://[2002:a00:1::]/",
    "http://169.254.169.254/latest/meta-data/",
    "http://168.63.129.16/",
    "https://2130706433/",
    "http://0x7f.1:8000/",
    "https://localhost/",
]


def typed() -> list[tuple]:
    """Pages of the admin with an address that may be typed there."""
    pages = admin.site._registry.items()
    return [
        (page, field.name)
        for model, page in pages
        if model._meta.app_label in FLOORS
        for field in model._meta.get_fields()
        if isinstance(field, URLField)
        and field.name in (*getattr(page, "editable", ()), *getattr(page, "on_adding", ()))
    ]


def test_these_are_the_addresses_that_staff_type():
    known = {(page.model.__name__, name) for page, name in typed()}
    assert known == {("Endpoint", "url"), ("AlertRule", "webhook_url")}


@pytest.mark.django_db
@pytest.mark.parametrize("url", INSIDE)
def test_none_of_them_may_lead_inside(settings, url):
    settings.INTERNAL_NETWORKS = []
    request = RequestFactory().get("/admin/")
    request.user = make_staff.person(is_superuser=True)
    for page, name in typed():
        form = page.get_form(request)(data={name: url})
        assert name in form.errors, (page, name)


@pytest.mark.django_db
@pytest.mark.parametrize("url", ["http://127.0.0.1:{}/", "http://localhost:{}/", "http://[::ffff:127.0.0.1]:{}/"])
def test_what_is_passed_on_is_judged_where_it_is_called(settings, url):
    settings.INTERNAL_NETWORKS = []
    with receiving() as backend:
        to = make_deliveries.endpoint(make.channel(), url.format(backend.server_port))
        forwarding.forward(to.channel, "wechat/wx", "m-1", "wechat.text", {}, make.NOON)
        assert forwarding.forward_due() == 0
        assert to.pushes.get().error == "address"
        assert backend.received == []


@pytest.mark.django_db
def test_what_is_passed_on_follows_nothing():
    with receiving() as elsewhere, unruly(answering("302 Found", f"Location: {elsewhere.url}")) as moved:
        to = make_deliveries.endpoint(make.channel(), moved.url)
        forwarding.forward(to.channel, "wechat/wx", "m-1", "wechat.text", {}, make.NOON)
        assert forwarding.forward_due() == 0
        assert to.pushes.get().error == "redirect"
        assert elsewhere.received == []


def test_nothing_else_calls_out():
    calling = {
        str(path.relative_to(ROOT))
        for floor in FLOORS
        for path in (ROOT / floor).rglob("*.py")
        if "sandbox" not in path.parts and CLIENTS.search(path.read_text("utf-8"))
    }
    assert calling == CALLS_OUT

"""Staff are kept in the admin: roles and channels are granted there, by whoever may, within what they hold."""

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client

from config import roles, signing_in
from sync.models import AlertRule, Endpoint
from tests import make
from tests.config import make_staff

pytestmark = pytest.mark.django_db


@pytest.fixture
def channels():
    return [make.channel("website"), make.channel("mini-program")]


def form(person: User, **changed) -> dict:
    known = {"first_name": "", "last_name": "林", "email": "", "is_active": "on", "is_staff": "on"}
    return known | {"groups": [group.pk for group in person.groups.all()]} | changed


def page_of(person: User) -> str:
    return f"/admin/auth/user/{person.pk}/change/"


def test_an_administrator_grants_a_channel_and_a_role(channels):
    browser, person = make_staff.signed_in("administrator", channels), make_staff.person("operator")
    manager = Group.objects.get(name="manager")
    answer = browser.post(page_of(person), form(person, groups=[manager.pk], channels=[channels[0].pk]))
    assert answer.status_code == 302, answer.context["adminform"].errors
    assert list(roles.granted(person)) == channels[:1]
    assert User.objects.get(pk=person.pk).has_perm("config.view_dashboard")


def test_nobody_grants_a_channel_they_do_not_hold(channels):
    browser, person = make_staff.signed_in("administrator", channels[:1]), make_staff.person("operator", channels[1:])
    browser.post(page_of(person), form(person, channels=[channels[0].pk]))
    assert set(roles.granted(person)) == set(channels)
    browser.post(page_of(person), form(person, channels=[channels[1].pk]))
    assert list(roles.granted(person)) == channels[1:]


def test_an_administrator_cannot_change_who_may_do_everything(channels):
    browser, root = make_staff.signed_in("administrator", channels), make_staff.person(is_superuser=True)
    password = f"/admin/auth/user/{root.pk}/password/"
    before = make.snapshot()
    assert browser.post(page_of(root), form(root, is_active="")).status_code == 403
    assert browser.post(password, {"password1": "x" * 20, "password2": "x" * 20}).status_code == 403
    assert make.snapshot() == before


def test_nobody_chooses_the_password_of_one_who_sees_more(channels):
    browser, person = make_staff.signed_in("administrator", channels[:1]), make_staff.person("manager", channels)
    password, chosen = f"/admin/auth/user/{person.pk}/password/", "tea-and-gold-2026"
    given = {"password1": chosen, "password2": chosen, "usable_password": "true"}
    assert browser.post(password, given).status_code == 403
    assert not User.objects.get(pk=person.pk).check_password(chosen)
    roles.grant(person, channels[:1])
    assert browser.post(password, given).status_code == 302
    assert User.objects.get(pk=person.pk).check_password(chosen)


@pytest.mark.slow
@pytest.mark.parametrize("spread", ["names", "addresses"])
def test_passwords_cannot_be_guessed_without_end(settings, monkeypatch, still_windows, spread):
    settings.QUOTA_FACTOR = 1
    monkeypatch.setattr(signing_in, "PER_ADDRESS", 4)
    monkeypatch.setattr(signing_in, "PER_NAME", 6)
    make_staff.person("operator", username="lin", password="tea-and-gold-2026")
    tries = 4 if spread == "names" else 6

    def sign_in(turn, **given):
        address = f"192.0.2.{turn if spread == 'addresses' else 1}"
        return Client().post("/admin/login/", {"username": "lin", "password": "x"} | given, REMOTE_ADDR=address)

    for turn in range(tries):
        refused = sign_in(turn, username=f"name-{turn}" if spread == "names" else "LIN")
        assert refused.status_code == 200
    last = sign_in(turn, password="tea-and-gold-2026")
    assert last.status_code == 200
    assert "尝试次数过多" in last.content.decode()
    assert not last.wsgi_request.user.is_authenticated


def test_an_administrator_cannot_make_themselves_superuser(channels):
    person = make_staff.person("operator")
    browser = make_staff.signed_in("administrator", channels)
    browser.post(page_of(person), form(person, is_superuser="on", user_permissions=["1"]))
    changed = User.objects.get(pk=person.pk)
    assert (changed.is_superuser, changed.user_permissions.count()) == (False, 0)


def test_a_new_person_has_nothing_until_it_is_granted(channels):
    browser = make_staff.signed_in("administrator", channels)
    given = {
        "username": "new",
        "usable_password": "true",
        "password1": "tea-and-gold-2026",
        "password2": "tea-and-gold-2026",
    }
    answer = browser.post("/admin/auth/user/add/", given)
    assert answer.status_code == 302, answer.context["adminform"].errors
    person = User.objects.get(username="new")
    assert (person.is_staff, person.is_superuser, person.groups.count()) == (False, False, 0)


def test_an_auditor_reads_who_may_what_and_changes_nothing(channels):
    browser, person = make_staff.signed_in("auditor", channels), make_staff.person("operator", channels[:1])
    answer = browser.get(page_of(person))
    assert answer.status_code == 200
    assert channels[0].name in answer.content.decode()
    assert browser.post(page_of(person), form(person)).status_code == 403


def test_roles_are_read_not_edited(channels):
    browser = make_staff.signed_in("auditor", channels, is_superuser=True)
    group = Group.objects.get(name="operator")
    assert browser.get(f"/admin/auth/group/{group.pk}/change/").status_code == 200
    assert browser.post(f"/admin/auth/group/{group.pk}/change/", {"name": "x"}).status_code == 403


@pytest.mark.parametrize(
    "url", ["http://10.0.0.1/hook", "http://169.254.169.254/", "https://user:pw@example.cn/", "ftp://x"]
)
def test_an_alert_rule_does_not_take_an_address_inside(channels, url):
    rule = AlertRule.objects.create(code="r", name="R", measure="deliveries.failing", threshold=0.5)
    given = {"name": "R", "window_seconds": 60, "threshold": 0.5, "minimum": 5, "webhook_url": url}
    answer = make_staff.signed_in("engineer", channels).post(f"/admin/sync/alertrule/{rule.pk}/change/", given)
    assert answer.status_code == 200
    assert "webhook_url" in answer.context["adminform"].errors
    assert AlertRule.objects.get(pk=rule.pk).webhook_url == ""


def test_an_endpoint_does_not_take_an_address_inside_and_gets_a_secret_of_its_own(channels):
    engineer = make_staff.signed_in("engineer", channels)
    given = {"channel": channels[0].pk, "url": "http://10.0.0.1/hook", "types": "", "is_active": "on"}
    assert "url" in engineer.post("/admin/sync/endpoint/add/", given).context["adminform"].errors
    shown = engineer.post("/admin/sync/endpoint/add/", given | {"url": "http://127.0.0.1:9/hook"}).content.decode()
    secret = Endpoint.objects.get().secret
    assert secret.startswith("whsec_")
    assert secret in shown


def test_a_change_says_who_made_it(channels):
    rule = AlertRule.objects.create(code="r", name="R", measure="deliveries.failing", threshold=0.5)
    browser = make_staff.signed_in("engineer", channels, first_name="工程师甲")
    given = {
        "name": "S",
        "window_seconds": 60,
        "threshold": 0.5,
        "minimum": 5,
        "emails": "a@example.cn",
        "is_active": "on",
    }
    assert browser.post(f"/admin/sync/alertrule/{rule.pk}/change/", given).status_code == 302
    page = browser.get(f"/admin/sync/alertrule/{rule.pk}/change/").content.decode()
    assert "工程师甲" in page
    assert "<s>R</s> → S" in page

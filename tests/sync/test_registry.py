"""What a channel's row decides, it decides for the next request: secrets in their overlap, fields, ways in, quotas."""

import base64
import secrets
from datetime import timedelta

import pytest
from django.db.models.functions import Now
from django.utils import timezone
from standardwebhooks import Webhook, WebhookVerificationError

from sync import registry
from sync.courier.sending import signed
from sync.ids import uuid7
from sync.models import Channel, ChannelKey
from tests import make
from tests.sync import make_deliveries
from tests.sync.test_inbox import event, push

pytestmark = pytest.mark.django_db
BACK_FROM_WECHAT = {"code": "c", "state": "s", "verifier": "v", "consents": []}


@pytest.fixture
def website():
    return make.channel("website")


def again(row):
    return type(row).objects.get(pk=row.pk)


def pushed_with(channel: Channel, secret: str) -> int:
    """The status that the inbox answers to something signed with this secret."""
    sender = again(channel)
    sender.inbound_secret = secret
    return push(sender, event(id=secrets.token_hex(4))).status_code


# --- keys -------------------------------------------------------------------------------------------------------
def test_several_keys_are_valid_at_a_time_and_a_revoked_one_is_refused_at_once(website):
    keys = [uuid7(), uuid7()]
    clear = [registry.issue_key(id=key, channel=website, label="ERP", scopes=["feed:read"]) for key in keys]
    backends = [make.bearing(each) for each in clear]
    assert [each.get("feed").status_code for each in backends] == [200, 200]
    assert [each.get("orders").json()["code"] for each in backends] == ["scope_missing"] * 2
    registry.revoke_key(keys[0])
    assert [each.get("feed").status_code for each in backends] == [401, 200]
    assert ChannelKey.objects.get(pk=keys[1]).last_used_at is not None


def test_of_a_key_only_its_hash_and_its_end_are_kept_and_an_id_has_one_key(website):
    key = uuid7()
    clear = registry.issue_key(id=key, channel=website, label="ERP", scopes=[])
    assert clear.startswith("hub_sk_")
    assert clear not in str(make.snapshot())
    assert ChannelKey.objects.get().ending == clear[-4:]
    with pytest.raises(registry.Known):
        registry.issue_key(id=key, channel=website, label="ERP", scopes=[])
    assert ChannelKey.objects.count() == 1


# --- secrets ----------------------------------------------------------------------------------------------------
def test_either_inbound_secret_verifies_for_a_day_and_then_the_new_one_alone(website):
    old = website.inbound_secret
    new = registry.rotate_inbound(website.pk, as_of=None)
    assert [pushed_with(website, each) for each in (old, new, registry.made())] == [202, 202, 401]
    left = again(website).inbound_overlap_until - timezone.now()
    assert timedelta(hours=23, minutes=59) < left <= timedelta(hours=24)
    Channel.objects.update(inbound_overlap_until=Now() - timedelta(seconds=1))
    assert [pushed_with(website, each) for each in (old, new)] == [401, 202]


def test_a_leaked_inbound_secret_ends_at_once(website):
    old = website.inbound_secret
    new = registry.rotate_inbound(website.pk, as_of=None, at_once=True)
    assert [pushed_with(website, each) for each in (old, new)] == [401, 202]
    newest = registry.rotate_inbound(website.pk, as_of=again(website).inbound_secret_at)
    registry.end_overlap(website)
    assert [pushed_with(website, each) for each in (new, newest)] == [401, 202]


def test_a_channel_s_first_inbound_secret_has_none_before_it():
    app = make.channel("app", inbound_secret=None)
    assert pushed_with(app, registry.made()) == 401
    given = "whsec_" + base64.b64encode(b"k" * 24).decode()
    assert registry.rotate_inbound(app.pk, given=given, as_of=None) == given
    sender = again(app)
    assert (sender.inbound_secret, sender.old_inbound_secret, sender.inbound_overlap_until) == (given, None, None)


@pytest.mark.parametrize(
    "given",
    ["short", "whsec_", "whsec_c2hvcnQ=", "whsec_!!!!", "whsec_" + "a" * 400, base64.b64encode(b"k" * 32).decode()],
)
def test_a_secret_that_is_none_is_refused(website, given):
    before = make.snapshot()
    with pytest.raises(registry.Unfit):
        registry.rotate_inbound(website.pk, given=given, as_of=None)
    assert make.snapshot() == before


def test_of_two_who_rotate_at_once_one_does_and_three_secrets_are_never_valid(website):
    registry.rotate_inbound(website.pk, as_of=None)
    before = make.snapshot()
    with pytest.raises(registry.Unfit):
        registry.rotate_inbound(website.pk, as_of=None)
    with pytest.raises(registry.Unfit):
        registry.rotate_inbound(website.pk, as_of=again(website).inbound_secret_at)
    assert make.snapshot() == before


def test_what_is_sent_is_signed_with_both_secrets_for_a_day(website):
    endpoint = make_deliveries.endpoint(website)
    old, now = endpoint.secret, timezone.now()
    new = registry.rotate_outbound(endpoint.pk, as_of=None)
    (secret, *before), body = again(endpoint).secrets(now), b'{"a": 1}'
    headers = signed("msg_1", body, secret, now, *before)
    assert len(headers["webhook-signature"].split(" ")) == 2
    for each in (old, new):
        assert Webhook(each).verify(body, headers) == {"a": 1}
    with pytest.raises(WebhookVerificationError):
        Webhook(registry.made()).verify(body, headers)
    assert again(endpoint).secrets(now + timedelta(hours=25)) == [new]
    registry.end_overlap(endpoint)
    assert again(endpoint).secrets(now) == [new]


# --- what is seen, how one signs in, how much -------------------------------------------------------------------
def test_a_field_that_a_channel_may_not_see_is_told_to_it_nowhere(website):
    member = make.member(channel=website, phone=make.mobile(), nickname="小红", email="lin@example.cn")
    backend = make.backend_client(website)
    whole = backend.get(f"members/{member.id}").json()
    assert (whole["nickname"], whole["email"]) == ("小红", "l***@example.cn")
    Channel.objects.filter(pk=website.pk).update(visible_fields=["nickname", "birthday"])
    seen = backend.get(f"members/{member.id}").json()
    hidden = {"avatar_url", "gender", "email", "phone", "identities"}
    assert whole.keys() - seen.keys() == hidden
    written = backend.patch(f"members/{member.id}", {"nickname": "小蓝"}).json()
    assert not written.keys() & hidden
    stale = backend.patch(f"members/{member.id}", {"nickname": "小绿"}, {"If-Match": '"0"'}).json()
    assert stale["code"] == "version_conflict"
    assert not stale["current"].keys() & hidden
    assert make.member_client(member, website).get("me").json().keys() >= hidden


@pytest.mark.parametrize(
    ("code", "method", "path", "body"),
    [
        ("website", "phone", "auth/sms-codes", {"purpose": "sign_in", "phone": "13800138000"}),
        ("website", "phone", "auth/phone", {"challenge_id": str(uuid7()), "code": "123456", "consents": []}),
        ("website", "wechat_website", "auth/wechat/website/start", {}),
        (
            "website",
            "wechat_website",
            "auth/wechat/website",
            {"code": "c", "state": "s", "verifier": "v", "consents": []},
        ),
        ("mini-program", "wechat_mini_program", "auth/wechat/mini-program", {"code": "c", "consents": []}),
        ("website", "grant", "auth/grant", {"grant": "hub_sg_x"}),
    ],
)
def test_a_way_to_sign_in_that_a_channel_does_not_offer_is_refused(code, method, path, body):
    place = make.channel(code)
    place.sign_in_methods.remove(method)
    place.save()
    before = make.snapshot()
    answer = make.client(place).post(path, body)
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    assert make.snapshot() == before
    Channel.objects.update(sign_in_methods=[method])
    assert make.client(place).post(path, body).status_code != 403


def test_a_backend_hands_over_no_sign_in_where_the_channel_does_not_offer_it(website):
    Channel.objects.update(sign_in_methods=["phone"])
    body = {"identity": {"kind": "external", "value": "7"}, "consents": [], "device": ""}
    answer = make.backend_client(website).post("sign-in-grants", body)
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")


def test_a_registration_that_waited_ends_when_its_way_in_is_closed(website):
    make.policies()
    body = {"identity": {"kind": "external", "value": "7"}, "consents": [], "device": ""}
    grant = make.backend_client(website).post("sign-in-grants", body).json()["grant"]
    waiting = make.client(website).post("auth/grant", {"grant": grant}).json()["registration_token"]
    given = {"registration_token": waiting, "consents": make.policies()}
    Channel.objects.update(sign_in_methods=["phone"])
    assert make.client(website).post("auth/register", given).status_code == 403
    Channel.objects.update(sign_in_methods=["grant"])
    assert make.client(website).post("auth/register", given).status_code == 200


def test_a_channel_s_calls_in_a_minute_are_counted(website, settings, still_windows):
    settings.QUOTA_FACTOR = 1
    backend = make.backend_client(website)
    Channel.objects.update(calls_per_minute=2)
    assert [backend.get("feed").status_code for _turn in range(3)] == [200, 200, 429]
    assert int(backend.get("feed")["Retry-After"]) >= 1
    Channel.objects.update(calls_per_minute=None)
    assert backend.get("feed").status_code == 200


def test_what_is_switched_off_is_refused_by_the_next_request(website):
    backend, client, member = make.backend_client(website), make.client(website), make.member_client(channel=website)
    Channel.objects.update(is_active=False)
    told = [backend.get("feed"), client.get("policies"), member.get("me")]
    assert [(each.status_code, each.json()["code"]) for each in told] == [(403, "channel_inactive")] * 3

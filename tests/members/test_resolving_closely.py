"""Nobody is found out by asking `resolve`; whom a channel brought along is the same member at their first sign-in."""

from datetime import timedelta

import pytest
from django.utils import timezone

from members import resolving
from members.models import Identity, Member, Session
from tests import make

pytestmark = pytest.mark.django_db


@pytest.fixture
def backend():
    return make.backend_client("website")


@pytest.fixture
def narrow(settings, still_windows):
    settings.QUOTA_FACTOR = 1


def phone(value):
    return {"kind": "phone", "value": value}


def external(value="C-1"):
    return {"kind": "external", "value": value}


def resolve(backend, *identities, **headers):
    return backend.post("members/resolve", {"identities": list(identities)}, headers=headers)


def refusal(answer) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def test_a_masked_phone_is_not_found_out_by_trying_all_it_may_be(backend, narrow):
    """The channel sees 138****8000 and asks about one number after the other."""
    seen = make.member(phone="+8613800138000")
    tried = [resolve(backend, phone(f"+86138{middle:04d}8000")) for middle in range(9000, 9021)]
    assert [each.status_code for each in tried] == [200] * 20 + [429]
    before = make.snapshot()
    assert refusal(resolve(backend, phone(seen.phone))) == (429, "rate_limited")
    assert refusal(resolve(backend, phone(seen.phone), external())) == (429, "rate_limited")
    assert make.snapshot() == before


def test_what_is_refused_by_its_key_counts_as_well(backend, narrow):
    last = make.mobile()[-4:]  # what is counted beside the act outlives the test
    for turn in range(25):
        answer = resolve(backend, phone(f"+86138{turn:04d}{last}"), **{"Idempotency-Key": str(turn)})
    assert refusal(answer) == (429, "rate_limited")
    assert Member.objects.count() == 20


def test_naming_the_same_phones_again_is_no_question(backend, narrow):
    for _ in range(25):
        assert resolve(backend, phone("+8613800138000")).status_code == 200


def test_members_of_another_brand_are_not_found_by_the_hundred(narrow, monkeypatch):
    monkeypatch.setattr(resolving, "STRANGERS_FOUND", ((3, 60),))
    elsewhere = make.channel("elsewhere", group="others")
    phones = [make.mobile() for _ in range(5)]
    for each in phones:
        make.member(channel=elsewhere, phone=each)
    shop = make.backend_client("website")
    assert [resolve(shop, phone(each)).status_code for each in phones] == [200] * 3 + [429] * 2


def test_own_members_and_new_ones_are_named_without_end(backend, narrow, monkeypatch):
    monkeypatch.setattr(resolving, "STRANGERS_FOUND", ((1, 60),))
    for _ in range(3):
        assert resolve(backend, phone(make.mobile())).status_code == 200
        assert resolve(backend, phone(make.member(phone=make.mobile()).phone)).status_code == 200


def test_the_answer_for_somebody_known_and_somebody_new_holds_an_id_and_no_more(backend):
    owner = make.member(channel="mini-program", phone=make.mobile(), nickname="林小溪", email="lin@example.cn")
    found = resolve(backend, phone(owner.phone)).json()
    assert set(found) == set(resolve(backend, phone(make.mobile())).json()) == {"member", "created"}
    assert set(found["member"]) == {"id"}


@pytest.mark.parametrize("said", [{"app_id": "wx-mini-program"}, {"app_id": "wx-unheard-of"}])
def test_a_channel_asserts_no_openid_of_another_app(backend, said):
    make.channel("mini-program")
    before = make.snapshot()
    answer = resolve(backend, {"kind": "wechat_openid", "value": "openid-of-ming"} | said)
    assert refusal(answer) == (400, "invalid")
    assert make.snapshot() == before


def test_a_number_is_whose_the_channel_first_said_and_a_conflict_else(backend):
    first = resolve(backend, external(), phone("+8613800138000")).json()["member"]["id"]
    resolve(backend, external("C-2"))
    before = make.snapshot()
    assert refusal(resolve(backend, external("C-2"), phone("+8613800138000"))) == (409, "identity_conflict")
    assert make.snapshot() == before
    assert resolve(backend, external()).json()["member"]["id"] == first


def test_who_only_a_channel_knows_is_provisional(backend):
    member = Member.objects.get(pk=resolve(backend, phone(make.mobile())).json()["member"]["id"])
    assert not member.identities.filter(proof="verified").exists()
    assert (member.phone, member.phone_index) == (None, None)


def test_what_is_said_of_a_member_with_proofs_is_suspended_from_the_start(backend):
    owner = make.member(phone=make.mobile())
    resolve(backend, phone(owner.phone), external())
    resolve(backend, external("C-2"))
    assert list(Identity.objects.filter(kind="external").order_by("id").values_list("suspended_at", "member")) == [
        (Identity.objects.get(value_index=row_of("C-1")).suspended_at, owner.pk),
        (None, Member.objects.latest("created_at").pk),
    ]
    assert Identity.objects.get(value_index=row_of("C-1")).suspended_at


def row_of(number):
    return make.secret.blind_index("external", number)


# Whom a channel brought along --------------------------------------------------------------------------------


@pytest.fixture
def imported(backend):
    """Somebody an old shop knew, with 500 points: named by phone, number and openid of the mini-program."""

    def bring(*identities, shop=backend):
        member = resolve(shop, *identities).json()["member"]["id"]
        entry = {"kind": "earn", "points": 500, "reason": "import", "reference": "import-1"}
        answer = shop.post(f"members/{member}/points/entries", entry)
        assert answer.status_code == 201, answer.json()
        return member

    return bring


def arrived(answer, member):
    """The answer's session is the imported member's, with the points."""
    body = answer.json()
    assert answer.status_code == 200, body
    assert body["member"]["id"] == member
    client = make.bearing(body["tokens"]["access_token"])
    assert client.get("me/points").json()["available"] == 500
    assert Member.objects.exclude(status="merged").count() == 1
    return client


def test_an_imported_member_comes_by_the_openid_that_the_shop_knew(imported, doors):
    member = imported({"kind": "wechat_openid", "value": "openid-of-ming"}, shop=make.backend_client("mini-program"))
    arrived(doors.mini_program("openid-of-ming"), member)


def test_an_imported_member_comes_by_sms(imported, doors):
    number = make.mobile()
    arrived(doors.sms(number, "mini-program"), imported(phone(number), external()))


@pytest.mark.parametrize("way", ["link_by_sms", "link_by_wechat"])
def test_an_imported_member_comes_by_wechat_and_then_the_phone(imported, doors, bearer, way):
    number = make.mobile()
    member = imported(phone(number), external())
    newcomer = bearer(doors.mini_program("openid-of-ming"))
    body = getattr(doors, way)(newcomer, number)
    assert (body.json()["linked"], body.json()["link_case"]) == (True, None)
    arrived(body, member)
    arrived(doors.mini_program("openid-of-ming"), member)
    assert Identity.objects.get(kind="external").suspended_at


def test_a_word_of_long_ago_is_no_proof_for_wechats_component(imported, doors, bearer):
    number = make.mobile()
    member = imported(phone(number))
    Identity.objects.update(last_seen_at=timezone.now() - timedelta(days=91))
    newcomer = bearer(doors.mini_program("openid-of-ming"))
    body = doors.link_by_wechat(newcomer, number).json()
    assert (body["linked"], body["link_case"]["kind"]) == (False, "merge")
    assert body["member"]["id"] != member


def test_a_shop_that_names_its_customers_again_keeps_its_word_fresh(backend):
    resolve(backend, phone("+8613800138000"))
    Identity.objects.update(last_seen_at=make.LONG_AGO)
    resolve(backend, phone("+8613800138000"))
    assert timezone.now() - Identity.objects.get().last_seen_at < timedelta(minutes=1)


def test_an_imported_member_comes_by_the_shops_own_login(imported, backend, agreed):
    member = imported(external())
    given = backend.post("sign-in-grants", {"identity": external(), "consents": agreed}).json()["grant"]
    arrived(make.client().post("auth/grant", {"grant": given}), member)
    assert Session.objects.get().assurance == 1

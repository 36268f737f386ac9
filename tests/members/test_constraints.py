"""What the database refuses, whoever asks."""

import pgtrigger
import pytest
from django.db import IntegrityError, transaction
from django.db.utils import InternalError, ProgrammingError
from django.utils import timezone

from members import sessions
from members.models import Consent, Identity, LinkCase, Merge, Policy, SmsChallenge
from sync.ids import uuid7
from sync.secret import blind_index
from tests import make

pytestmark = pytest.mark.django_db


def refused(name):
    return pytest.raises(IntegrityError, match=name)


def challenge(**fields):
    known = {"purpose": "sign_in", "phone": make.mobile(), "code_digest": b"x", "channel": make.channel()}
    return SmsChallenge.objects.create(**known | {"expires_at": timezone.now()} | fields)


def test_a_merged_member_names_its_survivor():
    with refused("member_merged_into_follows_status"):
        make.member(status="merged")


def test_an_active_member_is_merged_into_nobody():
    with refused("member_merged_into_follows_status"):
        make.member(merged_into=make.member())


def test_a_member_is_not_merged_into_itself():
    identity = uuid7()
    unguarded = pgtrigger.ignore("members.Member:absorbed_in_one_hop")
    with unguarded, refused("member_not_merged_into_itself"), transaction.atomic():
        make.member(id=identity, status="merged", merged_into_id=identity)


def test_a_phone_is_kept_whole():
    with refused("member_phone_is_whole"):
        make.member(phone_mask="138****8000")


def test_a_phone_has_one_holder():
    make.member(channel=None, phone="+8613800138000")
    with refused("member_phone_once|identity_verified_once"):
        make.member(channel=None, phone="+8613800138000")


def test_a_verified_identity_has_one_member():
    make.identity(make.member(), "wechat_unionid", "unionid")
    with refused("identity_verified_once"):
        make.identity(make.member(), "wechat_unionid", "unionid")


def test_an_asserted_identity_has_one_member_per_channel():
    make.identity(make.member(), "phone", "+8613800138000", proof="asserted")
    make.identity(make.member(), "phone", "+8613800138000", proof="asserted", channel=make.channel("mini-program"))
    with refused("identity_asserted_once_per_channel"):
        make.identity(make.member(), "phone", "+8613800138000", proof="attested")


def test_a_verified_identity_has_its_time():
    with refused("identity_verified_at_follows_proof"):
        make.identity(make.member(), "phone", make.mobile(), verified_at=None)


def test_an_openid_belongs_to_an_app():
    with refused("identity_has_namespace"):
        make.identity(make.member(), "wechat_openid", "openid", namespace="")


def test_a_challenge_is_tried_five_times_at_most():
    with refused("sms_challenge_five_tries"):
        challenge(tries=6)


@pytest.mark.parametrize("purpose", ["link", "step_up"])
def test_linking_belongs_to_a_session(purpose):
    with refused("sms_challenge_session_follows_purpose"):
        challenge(purpose=purpose)


def test_signing_in_belongs_to_no_session():
    with refused("sms_challenge_session_follows_purpose"):
        challenge(session=make.session(make.member()))


@pytest.mark.parametrize("fields", [{"used_at": timezone.now()}, {"phone": None}])
def test_a_challenge_forgets_its_phone_when_it_is_used(fields):
    with refused("sms_challenge_used_forgets_phone"):
        challenge(**fields)


@pytest.mark.parametrize("assurance", [0, 4])
def test_an_assurance_is_known(assurance):
    with refused("session_assurance_known"):
        sessions.start(member=make.member(), channel=make.channel(), assurance=assurance)


def test_a_case_is_between_two():
    member = make.member()
    with refused("link_case_two_members"):
        LinkCase.objects.create(kind="merge", member=member, other=member, identity_kind="phone", mask="x")


def test_a_case_is_open_once():
    between = {"kind": "merge", "member": make.member(), "other": make.member(), "identity_kind": "phone", "mask": "x"}
    LinkCase.objects.create(**between, state="declined", closed_at=make.NOON)
    LinkCase.objects.create(**between)
    with refused("link_case_open_once"):
        LinkCase.objects.create(**between)


def test_a_merge_is_between_two_and_absorbs_once():
    source, target = make.member(), make.member()
    Merge.objects.create(kind="fold", source=source, target=target, by="x")
    with refused("merge_absorbed_once"):
        Merge.objects.create(kind="fold", source=source, target=make.member(), by="x")


def test_nobody_is_merged_with_oneself():
    member = make.member()
    with refused("merge_two_members"):
        Merge.objects.create(kind="fold", source=member, target=member, by="x")


def test_a_policy_has_one_version_in_force():
    make.policies()
    with refused("policy_one_current"):
        Policy.objects.create(purpose="terms", version="2", title="x", text_url="x", text_digest="x")


def test_a_consent_is_never_rewritten():
    given = Consent.objects.create(member=make.member(), purpose="terms", version="1", act="granted")
    with pytest.raises((InternalError, ProgrammingError, IntegrityError), match="Cannot update"):
        Consent.objects.filter(pk=given.pk).update(act="withdrawn")


def test_a_blind_index_depends_on_kind_and_key(settings):
    index = blind_index("phone", "+8613800138000")
    assert index != blind_index("external", "+8613800138000")
    settings.INDEX_KEYS = {1: b"x" * 32}
    assert index != blind_index("phone", "+8613800138000")


def test_ciphertext_does_not_open_in_another_row():
    one, other = (make.identity(make.member(), "wechat_unionid", f"unionid-{n}") for n in "12")
    raw = Identity.objects.filter(pk=one.pk).values_list("value", flat=True).get()
    Identity.objects.filter(pk=other.pk).update(value=bytes(raw))
    with pytest.raises(Exception, match="members_identity"):
        _ = Identity.objects.get(pk=other.pk).value

"""Secrets at rest, phone numbers, masks."""

import pytest
from django.core.exceptions import FieldError
from hypothesis import given
from hypothesis import strategies as st

from members.models import Member
from sync import secret

NUMBER = "+8613800138000"


@pytest.mark.parametrize(
    "written",
    [
        "13800138000",
        "+8613800138000",
        "0086 138 0013 8000",
        " 138-0013-8000 ",
        "１３８００１３８０００",
        "(138)00138000",
    ],
)
def test_a_phone_is_one_number_however_it_is_written(written):
    assert secret.phone(written) == NUMBER


@pytest.mark.parametrize(
    "written",
    ["", "12345678901", "0571-88888888", "1٣٨٠٠١٣٨٠٠٠x", "138001380001", "+1", "phone", "13800138000\n1", "0"],
)
def test_what_no_person_could_have_is_no_phone(written):
    with pytest.raises(secret.InvalidPhone):
        secret.phone(written)


def test_arabic_digits_never_make_a_second_member():
    try:
        read = secret.phone("1٣٨٠٠١٣٨٠٠٠")
    except secret.InvalidPhone:
        return
    assert read == NUMBER


@pytest.mark.parametrize(
    ("mask", "value", "shown"),
    [
        (secret.mask_phone, NUMBER, "138****8000"),
        (secret.mask_phone, "+14155552671", "****2671"),
        (secret.mask_phone, None, None),
        (secret.mask_name, "张三丰", "张*"),
        (secret.mask_name, "", "***"),
        (secret.mask_id, "oGZUI0egBJY1zhBYw2KhdUfwVJJE", "oGZU****VJJE"),
        (secret.mask_id, "short", "***"),
        (secret.mask_email, "zhang@example.cn", "z***@example.cn"),
        (secret.mask_email, "z@example.cn", "***@example.cn"),
        (secret.mask_email, "nothing", "***"),
        (secret.mask_email, None, None),
    ],
)
def test_masks_never_show_the_whole(mask, value, shown):
    assert mask(value) == shown


@given(st.text(st.characters(blacklist_characters="*"), min_size=1))
@pytest.mark.parametrize("mask", [secret.mask_phone, secret.mask_name, secret.mask_id, secret.mask_email])
def test_no_mask_returns_what_it_was_given(mask, value):
    assert mask(value) != value


@pytest.mark.django_db
def test_an_encrypted_value_opens_in_its_own_row_only():
    one = Member.objects.create(email="one@example.cn")
    two = Member.objects.create(email="two@example.cn")
    assert Member.objects.get(pk=one.pk).email == "one@example.cn"

    stored = Member.objects.filter(pk=one.pk).values_list("email", flat=True)[0]
    assert b"one@" not in stored
    Member.objects.filter(pk=two.pk).update(email=stored)

    with pytest.raises(secret.Unreadable):
        _ = Member.objects.get(pk=two.pk).email


@pytest.mark.django_db
def test_saving_again_keeps_what_was_not_opened():
    member = Member.objects.create(email="one@example.cn")
    again = Member.objects.get(pk=member.pk)
    again.nickname = "Li"
    again.save()
    assert Member.objects.get(pk=member.pk).email == "one@example.cn"


@pytest.mark.parametrize("lookup", ["email", "email__startswith", "email__gt", "email__in"])
def test_an_encrypted_field_cannot_be_searched(lookup):
    with pytest.raises(FieldError):
        Member.objects.filter(**{lookup: "one@example.cn"}).exists()


def test_a_rotated_key_still_opens_what_the_old_one_sealed(settings):
    old, new = dict(settings.FIELD_KEYS), {2: b"n" * 32}
    sealed = secret.seal(b"value", "here")
    settings.FIELD_KEYS = new | old
    assert secret.unseal(sealed, "here") == b"value"
    assert secret.seal(b"value", "here")[1] == 2


@pytest.mark.parametrize("change", [lambda s: s[:-1], lambda s: s[:20], lambda s: b"\x09" + s[1:], lambda s: b""])
def test_a_changed_secret_does_not_open(change):
    with pytest.raises(secret.Unreadable):
        secret.unseal(change(secret.seal(b"value", "here")), "here")

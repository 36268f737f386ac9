"""Many writers of one person at once: one state, every change told once, nobody sees an error of the machine."""

import threading
from datetime import timedelta
from functools import partial

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection

from members.models import Avatar, Consent, FieldWrite, Member
from sync import clock
from sync.http import instant
from tests import contract, make
from tests.members.make_profile import picture

pytestmark = pytest.mark.django_db(transaction=True)
MANY = 6


@pytest.fixture(autouse=True, scope="module")
def drawn():
    """The contract that answers are held against is drawn once, not by each thread."""
    contract.operations(), contract.registry()


def at_once(*calls) -> list[int]:
    """The statuses of calls made by threads of their own."""
    answers = []

    def run(call):
        try:
            answers.append(call().status_code)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=[call]) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sorted(answers)


def test_of_many_words_of_one_moment_the_same_one_stands():
    backend, at, found = make.backend_client("website"), instant(clock.now() - timedelta(hours=1)), []
    for _round in range(2):
        member = make.member()
        path = f"members/{member.id}"
        words = [{"email": f"{n}@example.cn", "occurred_at": at} for n in range(MANY)]
        calls = [partial(backend.patch, path, word) for word in words]
        assert at_once(*calls) == [200] * MANY
        row = Member.objects.get(pk=member.pk)
        again = [backend.patch(path, {"email": row.email, "occurred_at": at}).json()["superseded"]]
        again += [call().json()["superseded"] for call in calls]
        found.append(sorted(again))
        assert Member.objects.get(pk=member.pk).email == row.email
        assert make.types_of(member) == ["member.updated"] * (row.version - 1)
        assert FieldWrite.objects.filter(member=member).count() == 1
    assert found == [[[], []] + [["email"]] * (MANY - 1)] * 2


def test_of_many_with_one_tag_one_writes():
    client = make.member_client()
    tag = client.get("me")["ETag"]
    calls = [lambda n=n: client.patch("me", {"nickname": f"第{n}"}, {"If-Match": tag}) for n in range(MANY)]
    assert at_once(*calls) == [200] + [412] * (MANY - 1)
    assert make.types_of(client.member) == ["member.updated"]


def test_agreeing_many_times_at_once_is_agreeing_once():
    make.policies()
    client = make.member_client()
    calls = [lambda: client.post("me/consents", {"purpose": "terms", "version": "1"})] * MANY
    assert at_once(*calls) == [200] * (MANY - 1) + [201]
    assert Consent.objects.count() == 1
    assert make.types_of(client.member) == ["member.consent_granted"]


def test_of_many_pictures_the_last_one_is_there():
    client = make.member_client()

    def send():
        file = SimpleUploadedFile("me.png", picture("PNG"))
        return client.http.post("/api/v1/me/avatar", {"file": file}, headers=client.headers)

    assert at_once(*[send] * MANY) == [200] * MANY
    assert Member.objects.get().avatar_url == f"/avatars/{Avatar.objects.get().pk}.jpg"
    assert make.types_of(client.member) == ["member.updated"] * MANY

"""Idempotency keys of real callers: each has its own, permission comes first, forms are the same however cut."""

from io import BytesIO

import pytest
from PIL import Image

from members.models import Address, Avatar
from sync.models import ChannelKey, IdempotentAnswer
from tests import make

pytestmark = pytest.mark.django_db
HOME = {
    "receiver": "张三",
    "phone": "13800138000",
    "province": "浙江省",
    "city": "杭州市",
    "district": "西湖区",
    "street": "龙井路 1 号",
}


def keyed(key: str = "key-1") -> dict:
    return {"Idempotency-Key": key}


def address(client, **fields):
    return client.post("me/addresses", HOME | fields, headers=keyed())


def test_two_members_may_use_the_same_key():
    one, other = make.member_client(), make.member_client()
    first, second = address(one), address(other, street="虎跑路 2 号")
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json()["id"] != second.json()["id"]
    assert "Idempotency-Replayed" not in second
    assert Address.objects.count() == 2


def test_nobody_is_given_what_another_member_was_answered():
    one, other = make.member_client(), make.member_client()
    told = address(one).json()
    assert address(other).json()["id"] != told["id"]


def test_a_member_is_the_same_caller_on_every_channel():
    one = make.member_client()
    other = make.member_client(one.member, "mini-program")
    first, second = address(one), address(other)
    assert (first.json(), second["Idempotency-Replayed"]) == (second.json(), "true")
    assert Address.objects.count() == 1


def test_a_key_serves_one_path():
    client = make.member_client()
    address(client)
    answer = client.post("me/consents", {"purpose": "terms", "version": "1"}, headers=keyed())
    assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_reused")


def test_whoever_lost_the_right_to_ask_is_not_given_the_answer_again():
    backend = make.backend_client()
    asked = {"identities": [{"kind": "external", "value": "u-1"}]}
    assert backend.post("members/resolve", asked, headers=keyed()).status_code == 200
    ChannelKey.objects.update(scopes=["feed:read"])
    answer = backend.post("members/resolve", asked, headers=keyed())
    assert (answer.status_code, answer.json()["code"]) == (403, "scope_missing")
    ChannelKey.objects.update(revoked_at="2026-01-01T00:00:00Z")
    assert backend.post("members/resolve", asked, headers=keyed()).status_code == 401
    assert IdempotentAnswer.objects.count() == 1


@pytest.mark.parametrize("path", ["me/codes", "ws-tickets"])
def test_what_holds_a_code_or_a_ticket_is_never_kept(path):
    client = make.member_client()
    first, second = (client.post(path, headers=keyed()) for _ in range(2))
    assert first.json() != second.json()
    assert not IdempotentAnswer.objects.exists()


class TestForms:
    def picture(self, colour: int) -> bytes:
        """Larger than a body may be that is no file."""
        kept = BytesIO()
        Image.effect_noise((1_500, 1_500), 200).point(lambda it: it ^ colour).save(kept, "PNG")
        assert 1024 * 1024 < len(kept.getvalue()) < 2 * 1024 * 1024
        return kept.getvalue()

    def upload(self, client, content: bytes, boundary: str):
        body = b"\r\n".join(
            [
                f"--{boundary}".encode(),
                b'Content-Disposition: form-data; name="file"; filename="a.png"',
                b"Content-Type: image/png",
                b"",
                content,
                f"--{boundary}--".encode(),
                b"",
            ]
        )
        media = f"multipart/form-data; boundary={boundary}"
        headers = client.headers | keyed()
        return client.http.post("/api/v1/me/avatar", body, content_type=media, headers=headers)

    def test_the_same_file_is_the_same_request_whatever_marks_its_parts(self):
        client, content = make.member_client(), self.picture(0)
        first, second = self.upload(client, content, "one"), self.upload(client, content, "two")
        assert (first.status_code, second.status_code) == (200, 200), first.content
        assert second["Idempotency-Replayed"] == "true"
        assert Avatar.objects.count() == 1

    def test_another_file_under_the_key_is_refused(self):
        client = make.member_client()
        self.upload(client, self.picture(0), "one")
        answer = self.upload(client, self.picture(1), "one")
        assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_reused")
        assert Avatar.objects.count() == 1

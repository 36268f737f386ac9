"""Pictures: real ones alone, made anew, at an address that is never another's."""

import struct
import zlib
from io import BytesIO

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from PIL import Image, PngImagePlugin

from members import avatars
from members.models import Avatar, FieldWrite, Member
from sync.models import IdempotentAnswer
from tests import make
from tests.members.make_profile import picture

pytestmark = pytest.mark.django_db
GPS, ORIENTATION = 0x8825, 0x0112


@pytest.fixture
def client():
    return make.member_client()


def upload(client, content, name="me.jpg", headers=None, **fields):
    files = fields or {"file": SimpleUploadedFile(name, content, "image/jpeg")}
    return client.http.post("/api/v1/me/avatar", files, headers=client.headers | (headers or {}))


def drawn(answer):
    address = answer.json()["avatar_url"]
    return Image.open(BytesIO(Client().get(address.removeprefix("http://127.0.0.1:8000")).content))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_a_picture_is_cut_square_and_drawn_anew(client, kind, settings):
    settings.PUBLIC_URL = "http://127.0.0.1:8000"
    answer = upload(client, picture(kind, (640, 300)))
    assert (answer.status_code, answer["ETag"]) == (200, client.get("me")["ETag"])
    shown = drawn(answer)
    assert (shown.format, shown.size, shown.mode) == ("JPEG", (256, 256), "RGB")
    assert make.events_of(client.member)[-1].data["changed"] == ["avatar_url"]
    assert FieldWrite.objects.get().field == "avatar_url"
    assert "avatar" not in str(make.events_of(client.member)[-1].data["id"])


@pytest.mark.parametrize("mode", ["L", "LA", "P", "RGBA", "1", "I;16"])
def test_every_kind_of_pixel_is_drawn(mode):
    assert avatars.redrawn(picture("PNG", mode=mode, colour=0)).startswith(b"\xff\xd8")


def test_colours_of_print_are_drawn():
    assert avatars.redrawn(picture("JPEG", mode="CMYK", colour=(0, 0, 0, 0))).startswith(b"\xff\xd8")


def test_what_a_camera_adds_is_gone_and_its_turn_is_done():
    exif, half = Image.Exif(), Image.new("RGB", (400, 400), "white")
    half.paste("black", (0, 0, 400, 200))
    exif[ORIENTATION], exif[0x010F] = 3, "MAKER-OF-CAMERAS"
    exif.get_ifd(GPS)[1] = "N"
    file = BytesIO()
    half.save(file, "JPEG", exif=exif, comment=b"COMMENT-OF-MINE")
    result = avatars.redrawn(file.getvalue())
    assert b"MAKER" in file.getvalue()
    assert not any(word in result for word in (b"MAKER", b"COMMENT", b"Exif", b"GPS"))
    upright = Image.open(BytesIO(result))
    assert upright.getpixel((128, 20))[0] > 200 > 50 > upright.getpixel((128, 236))[0]


def test_words_in_a_png_and_bytes_after_it_are_gone():
    told = PngImagePlugin.PngInfo()
    told.add_text("Comment", "SECRET-WORDS")
    result = avatars.redrawn(picture("PNG", pnginfo=told) + b"<script>SECRET-WORDS</script>")
    assert b"SECRET" not in result


def bomb(width, height):
    """A PNG of a few hundred bytes that says it is so large."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = zlib.compress(b"\0" * 10_000)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


NO_PICTURES = {
    "empty": b"", "text": b"hello", "html": b"<html><script>1</script>", "svg": b"<svg xmlns='http://www.w3.org/2000/svg'/>",
    "gif": picture("GIF"), "bmp": picture("BMP"), "tiff": picture("TIFF"), "half": picture("JPEG", (600, 600))[:400],
    "head": b"\xff\xd8\xff\xe0" + b"\0" * 50, "bomb": bomb(30_000, 30_000), "large": bomb(5_001, 5_000),
    "beyond": bomb(2**31 - 1, 2**31 - 1), "webp": b"RIFF\x24\0\0\0WEBPVP8 " + b"\0" * 24, "png": bomb(100, 100)[:60],
}  # fmt: skip


@pytest.mark.parametrize("kind", NO_PICTURES)
def test_what_is_no_picture_is_refused(client, kind):
    before = make.snapshot()
    refused = upload(client, NO_PICTURES[kind])
    assert (refused.status_code, refused.json()["code"]) == (400, "invalid")
    assert refused.json()["errors"][0]["field"] == "file"
    assert make.snapshot() == before


def test_a_file_has_its_limit_and_so_has_the_form_around_it(client):
    before = make.snapshot()
    noise = Image.effect_noise((1800, 1800), 90).convert("RGB")
    file = BytesIO()
    noise.save(file, "PNG")
    for size in (2 * 1024 * 1024 + 1, 3 * 1024 * 1024):
        refused = upload(client, file.getvalue()[:size].ljust(size, b"\0"))
        assert (refused.status_code, refused.json()["code"]) == (413, "too_large")
    assert make.snapshot() == before


def test_a_file_just_within_its_limit_is_taken_with_a_key_as_well(client):
    whole = picture("PNG").ljust(2 * 1024 * 1024, b"\0")
    first, second = (upload(client, whole, headers={"Idempotency-Key": "key 1"}) for _ in range(2))
    assert (first.status_code, second.json(), second["Idempotency-Replayed"]) == (200, first.json(), "true")
    assert (IdempotentAnswer.objects.count(), Avatar.objects.count()) == (1, 1)
    assert upload(client, picture("PNG"), headers={"Idempotency-Key": "key 1"}).status_code == 422


def test_one_file_under_any_name_and_nothing_else(client):
    assert upload(client, b"", avatar=SimpleUploadedFile("x.exe", picture("PNG"), "text/plain")).status_code == 200
    two = {name: SimpleUploadedFile(name, picture("PNG")) for name in ("a", "b")}
    assert upload(client, b"", **two).json()["errors"][0]["code"] == "required"
    assert upload(client, b"", file="text").json()["errors"][0]["code"] == "required"
    assert client.post("me/avatar", {}).json()["code"] == "unsupported_media_type"


def test_a_large_form_goes_nowhere_else(client):
    for path in ("me/addresses", "me/consents", "auth/phone"):
        big = SimpleUploadedFile("me.png", picture("PNG").ljust(1024 * 1024 + 1, b"\0"))
        answer = client.http.post(f"/api/v1/{path}", {"file": big}, headers=client.headers)
        assert answer.json()["code"] == "too_large"


def test_each_upload_has_an_address_of_its_own_and_the_old_one_ends(client):
    old = upload(client, picture()).json()["avatar_url"]
    new = upload(client, picture(colour="blue")).json()["avatar_url"]
    browser = Client()
    gone, there = (browser.get("/avatars/" + url.rpartition("/")[2]) for url in (old, new))
    assert (gone.status_code, there.status_code) == (404, 200)
    assert there["Content-Type"] == "image/jpeg"
    assert there["X-Content-Type-Options"] == "nosniff"
    assert "immutable" in there["Cache-Control"]
    again = browser.get("/avatars/" + new.rpartition("/")[2], headers={"If-None-Match": there["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert browser.post("/avatars/" + new.rpartition("/")[2]).status_code == 405


def test_the_picture_of_the_erased_is_not_there(client):
    url = upload(client, picture()).json()["avatar_url"]
    Member.objects.filter(pk=client.member.pk).update(status="erased")
    assert Client().get("/avatars/" + url.rpartition("/")[2]).status_code == 404
    assert Client().get("/avatars/0193a8f0-0000-7000-8000-000000000000.jpg").status_code == 404


def test_the_address_follows_the_hub(client, settings):
    upload(client, picture())
    settings.PUBLIC_URL = "https://hub.example"
    assert client.get("me").json()["avatar_url"].startswith("https://hub.example/avatars/")


def test_uploads_are_counted(client, settings, still_windows):
    settings.QUOTA_FACTOR = 1
    answers = [upload(client, b"no picture").status_code for _ in range(21)]
    assert answers == [400] * 20 + [429]


def test_a_stale_tag_is_refused_where_one_is_sent(client):
    tag = client.get("me")["ETag"]
    assert upload(client, picture(), headers={"If-Match": tag}).status_code == 200
    before = make.snapshot()
    assert upload(client, picture(), headers={"If-Match": tag}).json()["code"] == "version_conflict"
    assert make.snapshot() == before

"""Pictures of members, made anew: what somebody uploads is decoded, turned upright, cut square and drawn afresh.

Nothing of the file survives but its pixels: no metadata, no second image, no bytes that some reader could take for
something else. PostgreSQL keeps the result; each upload has an address of its own, so caches may keep it for ever.
"""

from collections.abc import Callable
from io import BytesIO
from uuid import UUID

from django.utils.translation import gettext_lazy as _
from PIL import Image, ImageOps

from members import profile
from members.models import Avatar, Member
from sync.act import Actor, act
from sync.http import Problem
from sync.models import Channel

MOST_PIXELS = 25_000_000  # as decoded: 100 MB of memory
KINDS = ("JPEG", "PNG", "WEBP")
SIDE = 256
JPEG = {"format": "JPEG", "quality": 85, "optimize": True}  # every client shows it
Image.MAX_IMAGE_PIXELS = MOST_PIXELS  # Pillow's own guard, for whatever else it may decode here


def redrawn(file: bytes) -> bytes:
    """A square JPEG of the picture in a JPEG, PNG or WebP file; raises Problem `invalid` for anything else."""
    try:
        with Image.open(BytesIO(file), formats=KINDS) as picture:
            if picture.width * picture.height > MOST_PIXELS:
                raise Problem.field("file", _("The picture is too large"), "too_large")
            picture.draft("RGB", (2 * SIDE, 2 * SIDE))  # a JPEG is decoded no larger than needed
            upright = ImageOps.exif_transpose(picture)
            square = ImageOps.fit(upright.convert("RGBA"), (SIDE, SIDE))
    except Problem:
        raise
    except Exception as error:  # a decoder that is fed by strangers raises whatever it likes
        raise Problem.field("file", _("Send a picture in JPEG, PNG or WebP")) from error
    plain, drawn = Image.new("RGB", square.size, "white"), BytesIO()
    plain.paste(square, mask=square)
    plain.save(drawn, **JPEG)
    return drawn.getvalue()


@act
def put(*, member_id: UUID, content: bytes, channel: Channel, unless: Callable[[Member], None], by: Actor) -> Member:
    """Make a picture drawn by `redrawn` the member's; the one before is gone. `unless` may refuse by raising."""
    avatar = Avatar(content=content, content_type="image/jpeg")
    said = profile.Said({profile.AVATAR: path_of(avatar.id)}, channel, has_seen=True)
    member, _none = profile.write(member_id, said, by=by, unless=unless)
    Avatar.objects.filter(member=member).delete()
    avatar.member = member
    avatar.save(force_insert=True)
    return member


def path_of(avatar_id: UUID) -> str:
    """Where the web process serves it."""
    return f"/avatars/{avatar_id}.jpg"


def find(avatar_id: UUID) -> Avatar | None:
    """The picture of somebody who is still there; None when it was replaced."""
    return Avatar.objects.filter(pk=avatar_id).exclude(member__status=Member.Status.ERASED).first()

"""Addresses, pictures and words of consent, as rows."""

from io import BytesIO

from PIL import Image

from members.models import Address, Avatar, Consent, FieldWrite, Member, Policy
from tests import make

PLACE = {"province": "浙江省", "city": "杭州市", "district": "西湖区", "street": "龙井路 1 号", "postcode": "310000"}


def address(member: Member, **fields) -> Address:
    """An address of a member, not the default unless told otherwise."""
    return Address.objects.create(member=member, **PLACE | {"receiver": "张三", "phone": "+8613900139000"} | fields)


def avatar(member: Member) -> Avatar:
    """A picture of a member, and its address on their row."""
    made = Avatar.objects.create(member=member, content=picture("JPEG"), content_type="image/jpeg")
    Member.objects.filter(pk=member.pk).update(avatar_url=f"/avatars/{made.pk}.jpg")
    return made


def picture(kind: str = "JPEG", size=(300, 200), colour="red", mode="RGB", **saving) -> bytes:
    """A file that holds a picture."""
    file = BytesIO()
    Image.new(mode, size, colour).save(file, kind, **saving)
    return file.getvalue()


def said(member: Member, purpose: str = "marketing", act: str = "granted", version: str = "1", **fields) -> Consent:
    """A word of consent, on the website unless told otherwise."""
    known = {"channel": make.channel("website")} | fields
    return Consent.objects.create(member=member, purpose=purpose, act=act, version=version, **known)


def policy(purpose: str, version: str, **fields) -> Policy:
    """A policy in force, not required unless told otherwise."""
    text = {"title": purpose, "text_url": f"/policies/{purpose}/{version}", "text_digest": "1" * 64}
    return Policy.objects.create(purpose=purpose, version=version, **text | fields)


def wrote(member: Member, field: str, **fields) -> FieldWrite:
    """The last write of a field, by the website's backend unless told otherwise."""
    known = {"at": make.NOON, "rank": FieldWrite.Rank.CHANNEL, "channel": make.channel("website")}
    known |= {"by": "channel/website", "value_digest": b"1"} | fields
    return FieldWrite.objects.create(member=member, field=field, **known)

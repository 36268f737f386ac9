"""People with WeChat, and the codes WeChat gives their clients."""

import secrets
from datetime import timedelta

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from config.sandbox.models import App, Person, WechatCode, WechatUser
from sync import clock
from sync.secret import blind_index, digest

CODE_TTL = timedelta(minutes=5)
MINI_PROGRAM, WEBSITE = "mini-program", "website"
UNSET = object()


class UnknownUser(Exception):
    """WeChat knows no such openid."""


class TakenOpenid(Exception):
    """The openid is somebody's in another app."""

    def __init__(self):
        super().__init__(_("This openid belongs to another app"))


class NoPhone(Exception):
    """No phone is bound to this WeChat: its client would ask for one, and have no code to give."""

    def __init__(self):
        super().__init__(_("No phone is bound to this WeChat user"))


def app_id_of(channel: str) -> str:
    """The app id a channel has with WeChat."""
    return App.objects.values_list("app_id", flat=True).get(channel=channel)


def find(openid: str) -> WechatUser:
    """The user behind an openid. Raises UnknownUser."""
    index = blind_index("openid", openid)
    user = WechatUser.objects.select_related("person").filter(openid_index=index).first()
    if user is None:
        raise UnknownUser(openid)
    return user


@transaction.atomic
def put(*, app_id: str, openid: str = "", unionid=UNSET, phone=UNSET) -> WechatUser:
    """Make a WeChat user, or change a known one. What is not said of a new one is made up; None means none.

    A known unionid leads to its person, and so to the openid that person has in the app. Raises TakenOpenid.
    """
    user = _known(app_id, openid, unionid) or _new(app_id, openid, unionid)
    if user.app_id != app_id:
        raise TakenOpenid
    if unionid is not UNSET:
        rename(user, unionid)
    if phone is not UNSET:
        user.person.phone = phone
        user.person.save(update_fields=["phone"])
    return user


@transaction.atomic
def rename(user: WechatUser, unionid: str | None) -> None:
    """Give a user another unionid; somebody's unionid makes them the same person."""
    owner = _person(unionid)
    if owner is None:
        _name(user.person, unionid)
        user.person.save(update_fields=["unionid", "unionid_index"])
    elif owner.pk != user.person_id:
        user.person = owner
        user.save(update_fields=["person"])


def in_app(user: WechatUser, app_id: str) -> WechatUser:
    """The same person as another app knows them."""
    known = user.person.users.filter(app_id=app_id).order_by("-id").first()
    return known or _user(user.person, app_id)


def give_code(openid: str, kind: str) -> str:
    """A fresh code of this kind for the client of a user. Raises UnknownUser, NoPhone.

    A website's code (qr) is for the website's app, a mini-program's (login, phone) for the mini-program's, whichever
    of the two the person is named by; a user of a third app gets codes of that app.
    """
    user = find(openid)
    here, there = app_id_of(WEBSITE), app_id_of(MINI_PROGRAM)
    wanted = here if kind == WechatCode.Kind.QR else there
    if user.app_id in {here, there} - {wanted}:
        user = in_app(user, wanted)
    if kind == WechatCode.Kind.PHONE and not user.person.phone:
        raise NoPhone
    code = "0" + secrets.token_hex(16)
    expires_at = clock.now() + CODE_TTL
    WechatCode.objects.create(digest=digest(code), kind=kind, user=user, expires_at=expires_at)
    return code


def use_code(code: str, *, kind: str, app_id: str) -> WechatUser | str:
    """The user a code stands for, once; or why not: `unknown` (wrong, expired, other app or use) or `used`."""
    mine = WechatCode.objects.filter(digest=digest(code), kind=kind, user__app_id=app_id)
    fresh = mine.filter(used_at=None, expires_at__gt=clock.Clock())
    if fresh.update(used_at=clock.Clock()):
        return mine.select_related("user__person").get().user
    return "used" if mine.filter(used_at__isnull=False).exists() else "unknown"


def _known(app_id: str, openid: str, unionid) -> WechatUser | None:
    if openid:
        return WechatUser.objects.select_related("person").filter(openid_index=blind_index("openid", openid)).first()
    person = _person(unionid)
    return person and person.users.select_related("person").filter(app_id=app_id).order_by("-id").first()


def _new(app_id: str, openid: str, unionid) -> WechatUser:
    person = _person(unionid)
    if person is None:
        person = Person(phone=f"199{secrets.randbelow(10**8):08d}")
        _name(person, "o6" + secrets.token_urlsafe(20)[:26] if unionid is UNSET else unionid)
        person.save(force_insert=True)
    return _user(person, app_id, openid)


def _user(person: Person, app_id: str, openid: str = "") -> WechatUser:
    openid = openid or "o" + secrets.token_urlsafe(21)[:27]
    index = blind_index("openid", openid)
    return WechatUser.objects.create(person=person, app_id=app_id, openid=openid, openid_index=index)


def _person(unionid) -> Person | None:
    if unionid is UNSET or unionid is None:
        return None
    return Person.objects.filter(unionid_index=blind_index("unionid", unionid)).first()


def _name(person: Person, unionid: str | None) -> None:
    person.unionid = unionid
    person.unionid_index = unionid and blind_index("unionid", unionid)

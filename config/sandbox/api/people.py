"""Phones and WeChat users: what a person in front of the hub would see and do."""

from django.http import HttpRequest
from rest_framework.response import Response
from rest_framework.serializers import CharField

from config.sandbox import people
from config.sandbox.api.view import SandboxView
from config.sandbox.models import TextMessage, WechatUser
from sync import secret
from sync.http import Input, Phone, Problem, Text, instant

MOST_MESSAGES = 100


class PhoneAsGiven(Phone):
    """A mobile number, kept as it was written."""

    def to_internal_value(self, data):
        super().to_internal_value(data)
        return CharField.to_internal_value(self, data)


class PhoneQuery(Input):
    phone = Phone(required=False)


class UserIn(Input):
    app_id = Text(max_length=64, required=False)
    openid = Text(max_length=64, required=False)
    unionid = Text(max_length=64, required=False, allow_null=True)
    phone = PhoneAsGiven(required=False, allow_null=True)


class ChangeIn(Input):
    unionid = Text(max_length=64, allow_null=True)


class Sms(SandboxView):
    """GET the messages that arrived on a phone, or on all phones, newest first."""

    def get(self, request: HttpRequest) -> Response:
        asked = PhoneQuery.read_query(request)
        messages = TextMessage.objects.order_by("-id")
        if phone := asked.get("phone"):
            messages = messages.filter(phone_index=secret.blind_index("phone", phone))
        return Response({"results": [as_message(each) for each in messages[:MOST_MESSAGES]]})


class Users(SandboxView):
    """POST a WeChat user: made, or changed when known."""

    def post(self, request: HttpRequest) -> Response:
        asked = UserIn.read(request)
        asked.setdefault("app_id", people.app_id_of(people.MINI_PROGRAM))
        try:
            return Response(as_user(people.put(**asked)))
        except people.TakenOpenid as error:
            raise Problem.field("openid", error) from error


class User(SandboxView):
    """PATCH the unionid of a WeChat user."""

    def patch(self, request: HttpRequest, openid: str) -> Response:
        asked, user = ChangeIn.read(request), known(openid)
        people.rename(user, asked["unionid"])
        return Response(as_user(user))


class Code(SandboxView):
    """POST for a code as WeChat gives one to the client of a user: login, phone or qr."""

    kind = ""

    def post(self, request: HttpRequest, openid: str) -> Response:
        try:
            return Response({"code": people.give_code(known(openid).openid, self.kind)})
        except people.NoPhone as error:
            raise Problem("invalid", error) from error


def known(openid: str) -> WechatUser:
    """The user of a path; raises Problem `not_found`."""
    try:
        return people.find(openid)
    except people.UnknownUser as error:
        raise Problem("not_found") from error


def as_message(message: TextMessage) -> dict:
    return {
        "phone": message.phone,
        "code": message.code,
        "challenge_id": message.challenge_id,
        "sent_at": instant(message.sent_at),
    }


def as_user(user: WechatUser) -> dict:
    return {
        "app_id": user.app_id,
        "openid": user.openid,
        "unionid": user.person.unionid,
        "phone": user.person.phone,
    }

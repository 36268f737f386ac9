"""A view that writes a row and a fact, for the tests of idempotency keys."""

from contextlib import suppress

from django.db import connection
from django.urls import path
from rest_framework.response import Response

from sync import events
from sync.act import act
from sync.http import Input, Problem, Text
from sync.models import IdempotentAnswer, SharingGroup
from sync.views import ChannelView

lost: list[str] = []  # what ends the database's connection in the acts to come
clashes: list[str] = []  # how the database gives up the acts to come


class GroupIn(Input):
    code = Text()
    name = Text()


@act
def found(*, code: str, name: str, by) -> SharingGroup:
    group = SharingGroup.objects.create(code=code, name=name)
    events.record("group.founded", subject=f"group/{code}", data={"code": code}, by=by)
    if name == "clash" and clashes:
        connection.cursor().execute(f"DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '{clashes.pop()}'; END $$")
    if name == "lost" and lost:
        connection.cursor().execute(f"SELECT {lost.pop()}")  # the connection, and whatever was not committed
    if name == "overtaken":
        IdempotentAnswer.objects.all().delete()
    if name == "refuse":
        raise Problem("order_state")
    if name == "deny":
        raise Problem("rate_limited", retry_after=1)
    return group


class Groups(ChannelView):
    def post(self, request):
        asked = GroupIn.read(request)
        group = found(**asked, by=request.user)
        return Response({"code": group.code, "secret": "张三"}, status=201)


class Swallowing(ChannelView):
    def post(self, request):
        with suppress(Problem):
            found(**GroupIn.read(request) | {"name": "refuse"}, by=request.user)
        return Response({"code": "one"}, status=201)


class Outside(Groups):
    calls_outside = True


urlpatterns = [
    path("api/v1/groups", Groups.as_view()),
    path("api/v1/outside", Outside.as_view()),
    path("api/v1/swallowing", Swallowing.as_view()),
]

"""WeChat subscribe messages: what may be accepted, and what the person said."""

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.response import Response

from members import notices
from members.models import NoticeTemplate
from sync.http import Choice, Input, Text
from sync.views import MemberView


class NoticeTemplateOut(serializers.Serializer):
    """A message that the person may accept; `left` were accepted and not sent yet."""

    template_id = serializers.CharField()
    occasion = serializers.ChoiceField(NoticeTemplate.Occasion.values)
    title = serializers.CharField()
    left = serializers.IntegerField(min_value=0)


class NoticeTemplatesOut(serializers.Serializer):
    """All of them."""

    results = NoticeTemplateOut(many=True)


class NoticeAnswerOut(serializers.Serializer):
    """How many messages of this template are accepted now."""

    template_id = serializers.CharField()
    left = serializers.IntegerField(min_value=0)


class NoticeAnswerIn(Input):
    """What wx.requestSubscribeMessage told the client of one template."""

    template_id = Text(max_length=64)
    result = Choice(choices=notices.RESULTS)


class NoticeTemplates(MemberView):
    """GET the templates of the session's channel."""

    @extend_schema(responses=NoticeTemplatesOut)
    def get(self, request):
        return Response({"results": notices.templates_of(request.auth.channel, request.auth.member)})


class Notices(MemberView):
    """POST what the person answered: one acceptance is one message."""

    @extend_schema(request=NoticeAnswerIn, responses=NoticeAnswerOut)
    def post(self, request):
        given = NoticeAnswerIn.read(request)
        kept = notices.answer(member=request.auth.member, channel=request.auth.channel, **given)
        return Response({"template_id": given["template_id"], "left": kept.left})

"""A member's picture: uploading it, serving it."""

from django.conf import settings
from django.http import Http404, HttpResponse, HttpResponseNotModified
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_safe
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.parsers import MultiPartParser
from rest_framework.response import Response

from members import avatars
from members.api.me import refuse_unseen, shown
from members.api.shown import MeOut, VersionConflictOut
from sync import quotas
from sync.http import Problem
from sync.http.described import ETAG, IF_MATCH, refusal
from sync.views import MemberView

UPLOADS = (20, 3600)  # of a member, seconds
FOR_EVER = "public, max-age=31536000, immutable"


class AvatarIn(serializers.Serializer):
    """One file, whatever its field is called."""

    file = serializers.FileField()


class MyAvatar(MemberView):
    """POST a picture (JPEG, PNG or WebP of at most 2 MiB): it is cut square and drawn anew."""

    parser_classes = [MultiPartParser]

    def admit(self, request):
        super().admit(request)
        limit, every = UPLOADS
        if request.method == "POST":
            quotas.count(f"avatars/{request.auth.member}", limit=limit, every=every)

    @extend_schema(
        request={"multipart/form-data": AvatarIn},
        parameters=[IF_MATCH, ETAG],
        responses={200: MeOut, **refusal(VersionConflictOut)},
    )
    def post(self, request) -> Response:
        member = avatars.put(
            member_id=request.auth.member,
            content=avatars.redrawn(sent(request)),
            channel=request.auth.channel,
            unless=lambda member: refuse_unseen(member, request, required=False),
            by=request.user,
        )
        return shown(member, request)


def sent(request) -> bytes:
    """The bytes of the one file; raises Problem `invalid`, `too_large`."""
    request.data  # noqa: B018 - parses
    files = [file for name in request.FILES for file in request.FILES.getlist(name)]
    if len(files) != 1:
        raise Problem.field("file", _("Send one picture"), "required")
    if files[0].size > settings.FILES_UP_TO[request.path]:
        raise Problem("too_large")
    return files[0].read()


@require_safe
def picture(request, avatar_id):
    """The picture at an address that is never given to another."""
    avatar = avatars.find(avatar_id)
    if avatar is None:
        raise Http404
    tag = f'"{avatar.pk}"'
    same = tag in request.headers.get("If-None-Match", "")
    answer = HttpResponseNotModified() if same else HttpResponse(avatar.content, content_type=avatar.content_type)
    answer["ETag"], answer["Cache-Control"] = tag, FOR_EVER
    answer["X-Content-Type-Options"] = "nosniff"
    answer["Cross-Origin-Resource-Policy"] = "cross-origin"  # pages of channels show it
    return answer

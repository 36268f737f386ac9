"""One's own data: a copy to take along, the account erased."""

from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.response import Response

from members import exporting, privacy, rules
from members.models import PrivacyRequest
from sync import clock
from sync.http import Problem, instant
from sync.http.described import ProblemOut, refusal
from sync.views import MemberView

STATES = ["waiting", "ready", "fetched", "expired", "withdrawn"]


class ExportAskedOut(serializers.Serializer):
    """A copy that is being made."""

    id = serializers.UUIDField()


class ExportOut(ExportAskedOut):
    """How far a copy is; once it is ready the link, to be followed once before `expires_at`."""

    state = serializers.ChoiceField(STATES)
    url = serializers.URLField(required=False)
    expires_at = serializers.DateTimeField(required=False)


class ErasureOut(serializers.Serializer):
    """When the account will be erased."""

    due_at = serializers.DateTimeField()


class ErasureBlockedOut(ProblemOut):
    """What has to be over first."""

    code = serializers.ChoiceField(["erasure_blocked"])
    reasons = serializers.ListField(child=serializers.CharField())


def require_step_up(request) -> None:
    """Raises Problem `step_up_required` unless the person behind the session confirmed it within ten minutes."""
    if not rules.is_stepped_up(request.auth.stepped_up_at, clock.now()):
        raise Problem("step_up_required")


class GraveView(MemberView):
    """For what a stolen token must not do: a POST takes a step-up, a repeat of one as well."""

    def admit(self, request):
        super().admit(request)
        if request.method == "POST":
            require_step_up(request)


class Exports(GraveView):
    """POST asks for a copy of all one's data; while one is being made, for that one."""

    @extend_schema(request=None, responses={202: ExportAskedOut})
    def post(self, request):
        asked = privacy.ask_export(member=request.auth.member, channel=request.auth.channel, by=request.user)
        return Response({"id": str(asked.pk)}, status=202)


class OneExport(MemberView):
    """GET how far a copy is. Its link is shown after a step-up only: who holds it needs nothing else."""

    @extend_schema(responses=ExportOut)
    def get(self, request, export_id: UUID):
        found = PrivacyRequest.objects.filter(pk=export_id, member=request.auth.member, kind="export").first()
        if found is None:
            raise Problem("not_found")
        state, file = exporting.state_of(found)
        told = {"id": str(found.pk), "state": state}
        if file:
            require_step_up(request)
            told |= {"url": exporting.link(found.pk), "expires_at": instant(file.expires_at)}
        return Response(told, headers={"Cache-Control": "no-store"})


class Erasure(GraveView):
    """POST asks for the account to be erased after the time to think it over; DELETE withdraws that."""

    @extend_schema(request=None, responses={202: ErasureOut, **refusal(ErasureBlockedOut)})
    def post(self, request):
        asked = privacy.ask_erasure(member=request.auth.member, channel=request.auth.channel, by=request.user)
        return Response({"due_at": instant(asked.due_at)}, status=202)

    @extend_schema(responses={204: None})
    def delete(self, request):
        privacy.withdraw_erasure(member=request.auth.member, by=request.user)
        return Response(status=204)


@require_GET
@never_cache
def download(request: HttpRequest, export_id: UUID) -> HttpResponse:
    """The copy behind a link, for the first who follows it. The token is in the query: logs name paths only."""
    token = request.GET.get("token", "")
    content = exporting.fetch(export_id) if exporting.is_link(export_id, token) else None
    if content is None:
        response = render(request, "members/copy_gone.html", status=410)
        response._has_been_logged = True  # nothing went wrong here
        return response
    headers = {
        "Content-Disposition": 'attachment; filename="my-data.zip"',
        "Cache-Control": "no-store",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
    }
    return HttpResponse(content, content_type="application/zip", headers=headers)

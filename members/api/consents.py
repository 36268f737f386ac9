"""What a member agrees to: reading it, agreeing, saying no."""

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.response import Response

from members import consent, consent_state
from members.api.shapes import ConsentIn
from sync import quotas
from sync.views import MemberView

WORDS = (60, 3600)  # a member may say, seconds


class ConsentOut(serializers.Serializer):
    """One purpose: the version in force, the member's last word, and whether they may be asked.

    `granted` is of the version in force. Ask nobody before `ask_after`; `needs_guardian` means that no word of the
    member's own will do.
    """

    purpose = serializers.CharField()
    version = serializers.CharField()
    title = serializers.CharField()
    text_url = serializers.CharField()
    required = serializers.BooleanField()
    granted = serializers.BooleanField()
    granted_version = serializers.CharField(allow_null=True)
    at = serializers.DateTimeField(allow_null=True)
    channel = serializers.CharField(allow_null=True)
    may_ask = serializers.BooleanField()
    ask_after = serializers.DateTimeField(allow_null=True)
    needs_guardian = serializers.BooleanField()


class ConsentsOut(serializers.Serializer):
    """All purposes in force on the channel."""

    results = ConsentOut(many=True)


class ConsentView(MemberView):
    """Consents of the caller; how often they change their mind is counted."""

    def admit(self, request):
        super().admit(request)
        limit, every = WORDS
        if request.method in {"POST", "DELETE"}:
            quotas.count(f"consents/{request.auth.member}", limit=limit, every=every)


class MyConsents(ConsentView):
    """GET where the member stands with each purpose. POST to agree to a version in force."""

    @extend_schema(responses=ConsentsOut)
    def get(self, request):
        found = consent_state.standings(request.auth.member, request.auth.channel)
        return Response({"results": [each.as_dict() for each in found]})

    @extend_schema(request=ConsentIn, responses={201: ConsentOut, 200: ConsentOut})
    def post(self, request):
        given, member, channel = ConsentIn.read(request), request.auth.member, request.auth.channel
        is_news = consent.give(member_id=member, channel=channel, by=request.user, **given)
        found = {each.policy.purpose: each for each in consent_state.standings(member, channel)}
        return Response(found[given["purpose"]].as_dict(), status=201 if is_news else 200)


class OneConsent(ConsentView):
    """DELETE to withdraw it, or to say no before it was ever given. Required ones are then asked for again."""

    @extend_schema(responses={204: None})
    def delete(self, request, purpose):
        consent.refuse(member_id=request.auth.member, purpose=purpose, channel=request.auth.channel, by=request.user)
        return Response(status=204)

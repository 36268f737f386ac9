"""A session's life: refreshing, proving more, ending."""

from drf_spectacular.utils import extend_schema
from rest_framework.response import Response

from members import challenges, proving, queries, rules, sessions, unlinking, wechat
from members.api.shapes import CodeIn, as_session, secret_answer
from members.api.shown import SessionOut, SignedInsOut, SteppedUpOut, TokensOut
from members.api.sign_in import only
from members.models import Session
from sync import clock
from sync.http import Input, Keyset, Problem, Text, instant
from sync.http.described import PAGED
from sync.models import Channel
from sync.views import ApiView, MemberView


class MemberAuthView(MemberView):
    """For a signed-in member, about tokens or codes."""

    keeps_answers = False

    def challenge(self, request, purpose: str):
        """The challenge of this session whose code was sent in."""
        given, proof = CodeIn.read(request), request.auth
        return challenges.attempt(
            given["challenge_id"],
            given["code"],
            purpose=purpose,
            channel=proof.channel,
            member=proof.member,
            session=proof.session,
        )


class WechatPhoneIn(Input):
    code = Text(max_length=128)


class WechatPhone(MemberAuthView):
    """POST the code of `getPhoneNumber`: the phone is tied to the member, or the member to the phone's owner."""

    @extend_schema(request=WechatPhoneIn, responses=SessionOut)
    def post(self, request):
        given, channel = WechatPhoneIn.read(request), only(request.auth.channel, Channel.Kind.MINI_PROGRAM)
        own = queries.proven_openid(request.auth.session, channel.app_id)
        phone = wechat.phone(channel, given["code"], openid=own)
        return as_session(proving.prove_phone(session_id=request.auth.session, phone=phone, assurance=rules.WECHAT))


class PhoneLink(MemberAuthView):
    """POST the code from an SMS to a phone that is to be the member's."""

    @extend_schema(request=CodeIn, responses=SessionOut)
    def post(self, request):
        challenge = self.challenge(request, "link")
        proven = proving.prove_phone(
            session_id=request.auth.session,
            phone=challenge.phone,
            assurance=rules.SMS,
            spend=lambda: challenges.spend(challenge),
        )
        return as_session(proven)


class MyPhone(MemberAuthView):
    """PUT the code from an SMS to the phone that is to replace one's own; needs a step-up. Other sessions end."""

    @extend_schema(request=CodeIn, responses=SessionOut)
    def put(self, request):
        CodeIn.read(request)
        proving.require_confirmed_session(request.auth.session)
        challenge = self.challenge(request, "link")
        changed = proving.change_phone(
            session_id=request.auth.session, phone=challenge.phone, spend=lambda: challenges.spend(challenge)
        )
        return as_session(changed)


class MyIdentity(MemberView):
    """DELETE a way in; needs a step-up."""

    @extend_schema(responses={204: None})
    def delete(self, request, identity_id):
        unlinking.unlink(identity_id=identity_id, session_id=request.auth.session)
        return Response(status=204)


class StepUp(MemberAuthView):
    """POST the code from an SMS to the member's own phone."""

    @extend_schema(request=CodeIn, responses=SteppedUpOut)
    def post(self, request):
        challenge = self.challenge(request, "step_up")
        session = proving.step_up(
            session_id=request.auth.session,
            phone=challenge.phone,
            spend=lambda: challenges.spend(challenge),
        )
        until = session.stepped_up_at + rules.STEP_UP_LASTS
        return secret_answer({"assurance": session.assurance, "until": instant(until)})


class RefreshIn(Input):
    refresh_token = Text(max_length=200)


class Refresh(ApiView):
    """POST a refresh token for its successors; needs no other proof."""

    authentication_classes = []
    keeps_answers = False

    def admit(self, request):
        """Whoever holds the token."""

    @extend_schema(request=RefreshIn, responses=TokensOut)
    def post(self, request):
        given = RefreshIn.read(request)["refresh_token"]
        known = Session.objects.select_related("channel").filter(pk=sessions.session_of(given)).first()
        if known:
            request._request.channel = known.channel  # for CORS, whatever the answer will be
        session, tokens = sessions.rotate(given)
        return secret_answer(tokens.as_dict(session, clock.now()))


class Logout(MemberAuthView):
    """POST to end the session."""

    @extend_schema(request=None, responses={204: None})
    def post(self, request):
        sessions.revoke([request.auth.session], reason="signed_out")
        return Response(status=204)


class Sessions(MemberView):
    """GET where the member is signed in, newest first."""

    order = Keyset(("created_at", "id"))

    @extend_schema(parameters=PAGED, responses=SignedInsOut)
    def get(self, request):
        page = self.order.page(request, queries.sessions_of(request.auth.member))
        return Response(page.body([queries.as_signed_in(row, request.auth.session) for row in page.rows]))


class OneSession(MemberView):
    """DELETE to end a session of one's own, sockets included."""

    @extend_schema(responses={204: None})
    def delete(self, request, session_id):
        if not queries.sessions_of(request.auth.member).filter(pk=session_id).exists():
            raise Problem("not_found")
        sessions.revoke([session_id], reason="ended_by_member")
        return Response(status=204)

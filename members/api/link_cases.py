"""Link cases: what it takes to show that two members are one person, or that they are not."""

from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema
from rest_framework.response import Response

from members import challenges, link_cases, linking
from members.api.sessions import MemberAuthView
from members.api.shapes import Id, as_session, device_id, secret_answer, whereabouts
from members.api.shown import LinkCaseOut, SentOut, SessionOut
from members.api.sign_in import sent
from members.models import SmsChallenge
from sync.http import Choice, Fen, Input, Problem, Text
from sync.views import MemberView

NEEDS = {"sms": ["challenge_id", "code"], "order_fact": ["number", "total_fen"], "old_sign_in": ["access_token"]}


class OneCase(MemberAuthView):
    """GET an open case of one's own."""

    @extend_schema(responses=LinkCaseOut)
    def get(self, request, case_id):
        return secret_answer(linking.as_case(link_cases.mine(case_id, request.auth.member)))


class CodeForCaseIn(Input):
    kind = Choice(choices=["sms"])


class CaseChallenges(MemberAuthView):
    """POST to have a code sent to the other member's phone, of which only the mask is ever seen."""

    @extend_schema(request=CodeForCaseIn, responses={202: SentOut})
    def post(self, request, case_id):
        CodeForCaseIn.read(request)
        proof = request.auth
        case = link_cases.mine(case_id, proof.member)
        if not linking.takes_sms(case):
            raise Problem.field("kind", _("There is no phone to send a code to"))
        challenge = challenges.ask(
            purpose=SmsChallenge.Purpose.LINK_CASE,
            phone=case.other.phone,
            channel=proof.channel,
            address=whereabouts(request),
            device=device_id(request),
            member=proof.member,
            session=proof.session,
            case=case.id,
        )
        return sent(challenge)


class FactIn(Input):
    """One kind of proof, and the fields that it takes."""

    kind = Choice(choices=[*NEEDS])
    challenge_id = Id(required=False)
    code = Text(required=False, max_length=20)
    number = Text(required=False, max_length=40)
    total_fen = Fen(required=False)
    access_token = Text(required=False)

    def validate(self, attrs):
        for name in NEEDS[attrs["kind"]]:
            if name not in attrs:
                raise Problem.field(name, self.fields[name].error_messages["required"], "required")
        return attrs


class CaseProofs(MemberAuthView):
    """POST a proof that the other member is the same person; once enough is shown both are one."""

    @extend_schema(request=FactIn, responses=SessionOut)
    def post(self, request, case_id):
        given, session_id = FactIn.read(request), request.auth.session
        case = link_cases.ready(case_id, session_id)
        fact = getattr(self, given["kind"])(request.auth, case, given)
        return as_session(link_cases.prove(case_id=case_id, session_id=session_id, fact=fact))

    def sms(self, proof, case, given) -> link_cases.Fact:
        challenge = challenges.attempt(
            given["challenge_id"],
            given["code"],
            purpose=SmsChallenge.Purpose.LINK_CASE,
            channel=proof.channel,
            member=proof.member,
            session=proof.session,
            case=case.id,
        )
        return link_cases.by_sms(challenge)

    def order_fact(self, proof, case, given) -> link_cases.Fact:
        link_cases.count_guess(case)
        return link_cases.by_order(given["number"], given["total_fen"])

    def old_sign_in(self, proof, case, given) -> link_cases.Fact:
        return link_cases.by_old_sign_in(given["access_token"])


class DeclineCase(MemberView):
    """POST to say that the other member is somebody else."""

    @extend_schema(request=None, responses={204: None})
    def post(self, request, case_id):
        link_cases.decline(case_id=case_id, session_id=request.auth.session)
        return Response(status=204)

"""Codes for a till: the member asks for one, a channel's backend presents it."""

from drf_spectacular.utils import extend_schema

from members import codes
from members.api.shapes import secret_answer
from members.api.shown import MemberCodeOut
from members.models import Member
from sync.views import ChannelView, MemberView

MEMBER_CODE = "member_code"  # as a kind of identity and of proof


class MyCodes(MemberView):
    """POST for a code to show at a till; the one before from this session ends."""

    keeps_answers = False

    @extend_schema(request=None, responses={201: MemberCodeOut})
    def post(self, request):
        code = codes.issue(member=request.auth.member, session=request.auth.session)
        return secret_answer({"code": code, "expires_in": int(codes.LIFETIME.total_seconds())}, status=201)


class CodeView(ChannelView):
    """For a channel's backend that may present a member's code.

    It is looked up before the request is answered, from memory or anew: a wrong guess counts though it is refused.
    """

    def admit(self, request):
        super().admit(request)
        _kept = request.body  # idempotency reads it again
        self.presented = {code: codes.holder(request.auth.channel, code) for code in self.codes_in(request.data)}

    def codes_in(self, body) -> set[str]:
        """The codes in a body that nobody has looked at yet: here that of its `proof`."""
        return code_of(body.get("proof") if isinstance(body, dict) else None)

    def holder_of(self, proof: dict | None) -> Member | None:
        """Whose code the proof of a request holds."""
        return self.presented.get(proof["value"]) if proof else None


def code_of(item) -> set[str]:
    """The code that a proof or an identity holds; none in what has another shape."""
    if not isinstance(item, dict) or item.get("kind") != MEMBER_CODE:
        return set()
    return {item["value"].strip()} if isinstance(item.get("value"), str) else set()

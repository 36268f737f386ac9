"""Sign-in grants: a channel's backend vouches for who is signed in there, the client signs in with it."""

from drf_spectacular.utils import extend_schema

from members import granting
from members.api.channel import namespace
from members.api.shapes import as_session, consents, device_id, device_of, secret_answer
from members.api.shown import GrantOut
from members.api.sign_in import SIGNED_IN, SignInView, offered
from members.models import Identity
from members.signing_in import sign_in
from sync.http import Choice, Input, Text
from sync.models import Method
from sync.views import ChannelView


class VouchedIn(Input):
    """Whom a channel's own login knows: its customer number, or the openid of its app."""

    kind = Choice(choices=[Identity.Kind.EXTERNAL, Identity.Kind.WECHAT_OPENID])
    value = Text(max_length=128)
    app_id = Text(max_length=64, required=False, allow_blank=True, allow_null=True)


class GrantIn(Input):
    identity = VouchedIn()
    consents = consents()
    device = Text(max_length=200, required=False, allow_blank=True, allow_null=True)


class SignInGrants(ChannelView):
    """POST who is signed in on the channel: a grant for the member's client, for 60 seconds, once."""

    scope = "sessions:write"
    keeps_answers = False

    @extend_schema(request=GrantIn, responses={201: GrantOut})
    def post(self, request):
        given, channel = GrantIn.read(request), offered(request.auth.channel, Method.GRANT)
        named = given["identity"]
        place = namespace(named, channel, field="identity.app_id")
        grant = granting.issue(
            granting.vouched(channel, kind=named["kind"], value=named["value"], namespace=place),
            consents=[dict(each) for each in given["consents"]],
            device=given.get("device") or "",
            channel=channel,
        )
        return secret_answer({"grant": grant, "expires_in": int(granting.LIFETIME.total_seconds())}, status=201)


class RedeemIn(Input):
    grant = Text(max_length=200)


class ByGrant(SignInView):
    """POST a grant of the channel's backend.

    With the Bearer of a fresh sign-in of the same member, both prove together what the channel alone may no more.
    """

    @extend_schema(request=RedeemIn, responses=SIGNED_IN)
    def post(self, request):
        grant = RedeemIn.read(request)["grant"]
        granted = granting.read(grant, offered(request.auth.channel, Method.GRANT))
        arrived = sign_in(
            shown=granted.shown,
            consents=granted.consents,
            channel=request.auth.channel,
            device=granted.device or device_of(request),
            device_id=device_id(request),
            beside=request.auth.session,
        )
        return as_session(arrived)

"""Signing in: by SMS, by WeChat in its two forms, by a registration that waited for consent."""

from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema
from rest_framework.response import Response

from members import captcha, challenges, queries, registration, rules, website_login, wechat
from members.api.shapes import (
    DEVICE_ID,
    CodeIn,
    as_session,
    consents,
    device_id,
    device_of,
    secret_answer,
    whereabouts,
)
from members.api.shown import BegunOut, ConsentRequiredOut, PoliciesOut, SentOut, SessionOut
from members.identity import Shown, of_phone, of_wechat
from members.models import Identity, Member
from members.models import SmsChallenge as Challenge
from members.signing_in import sign_in
from sync import quotas
from sync.http import Choice, Input, Phone, Problem, Text
from sync.http.described import refusal
from sync.models import Channel, Method
from sync.secret import blind_index
from sync.views import ClientView

SIGNED_IN = {200: SessionOut, **refusal(ConsentRequiredOut)}
PER_ADDRESS = (120, 60)  # tries to sign in, seconds


class SignInView(ClientView):
    """An endpoint that signs people in: counted per channel and address."""

    def admit(self, request):
        super().admit(request)
        device_id(request)  # one of another form is refused before a code is spent
        limit, every = PER_ADDRESS
        where = blind_index("sign-in-address", whereabouts(request)).hex()[:32]
        quotas.count(f"sign-in/{request.auth.channel.code}/{where}", limit=limit, every=every)

    def answer(self, request, shown: Shown, given: dict) -> Response:
        """The session of whoever showed this."""
        arrived = sign_in(
            shown=shown,
            consents=given["consents"],
            channel=request.auth.channel,
            device=device_of(request),
            device_id=device_id(request),
        )
        return as_session(arrived)


class Policies(ClientView):
    """GET what there is to agree to, in its versions in force."""

    @extend_schema(responses=PoliciesOut)
    def get(self, request):
        found = queries.current_policies(request.auth.channel)
        return Response({"results": [queries.as_policy(p) | {"required": p.is_required} for p in found]})


class SmsCodeIn(Input):
    purpose = Choice(choices=[Challenge.Purpose.SIGN_IN, Challenge.Purpose.LINK, Challenge.Purpose.STEP_UP])
    phone = Phone(required=False)
    captcha = Text(required=False, allow_blank=True, max_length=2000)

    def validate(self, attrs):
        if attrs["purpose"] != Challenge.Purpose.STEP_UP and "phone" not in attrs:
            raise Problem.field("phone", self.fields["phone"].error_messages["required"], "required")
        return attrs


class SmsCodes(ClientView):
    """POST to have a code sent. Known and unknown numbers get the same answer, equally fast."""

    @extend_schema(request=SmsCodeIn, parameters=[DEVICE_ID], responses={202: SentOut})
    def post(self, request):
        given, proof = SmsCodeIn.read(request), request.auth
        purpose = given["purpose"]
        if purpose != Challenge.Purpose.SIGN_IN and proof.session is None:
            raise Problem("not_authenticated")
        if purpose == Challenge.Purpose.SIGN_IN:
            offered(proof.channel, Method.PHONE)
        challenge = challenges.ask(
            purpose=purpose,
            phone=own_phone(proof.member) if purpose == Challenge.Purpose.STEP_UP else given["phone"],
            channel=proof.channel,
            address=whereabouts(request),
            device=device_id(request),
            prove_human=lambda: captcha.check(given.get("captcha", ""), whereabouts(request)),
            **bound_to(purpose, proof),
        )
        return sent(challenge)


def sent(challenge: Challenge) -> Response:
    """A code is on its way: to whom is for nobody to see."""
    lasting = {"expires_in": seconds(challenges.LIFETIME), "resend_in": seconds(challenges.RESEND)}
    return secret_answer({"challenge_id": str(challenge.id)} | lasting, status=202)


def bound_to(purpose: str, proof) -> dict:
    """The member and the session that a code is for; one to sign in is nobody's yet."""
    if purpose == Challenge.Purpose.SIGN_IN:
        return {"member": None, "session": None}
    return {"member": proof.member, "session": proof.session}


def own_phone(member_id) -> str:
    """The phone a step-up goes to; raises Problem `invalid` for a member without one."""
    phone = Member.objects.get(pk=member_id).phone
    if phone is None:
        raise Problem.field("purpose", _("There is no phone to send a code to"))
    return phone


def seconds(lasting) -> int:
    return int(lasting.total_seconds())


class PhoneIn(CodeIn):
    consents = consents()


class ByPhone(SignInView):
    """POST the code from an SMS."""

    @extend_schema(request=PhoneIn, parameters=[DEVICE_ID], responses=SIGNED_IN)
    def post(self, request):
        given = PhoneIn.read(request)
        channel = offered(request.auth.channel, Method.PHONE)
        challenge = challenges.attempt(given["challenge_id"], given["code"], purpose="sign_in", channel=channel)
        evidence = of_phone(challenge.phone, rules.SMS)
        return self.answer(request, Shown(evidence, lambda: challenges.spend(challenge)), given)


class WechatIn(Input):
    code = Text(max_length=128)
    consents = consents()


class ByMiniProgram(SignInView):
    """POST the code of `wx.login`."""

    @extend_schema(request=WechatIn, parameters=[DEVICE_ID], responses=SIGNED_IN)
    def post(self, request):
        given, channel = WechatIn.read(request), only(request.auth.channel, Channel.Kind.MINI_PROGRAM)
        offered(channel, Method.MINI_PROGRAM)
        shown = registration.of_code(given["code"], channel) or self.exchanged(given["code"], channel)
        return self.answer(request, shown, given)

    def exchanged(self, code: str, channel: Channel) -> Shown:
        """What WeChat says of a code that it was not asked about before."""
        return Shown(of_wechat(wechat.mini_program(channel, code), channel), code=code)


class WebsiteStart(SignInView):
    """POST to begin a sign-in by QR code."""

    @extend_schema(request=None, responses=BegunOut)
    def post(self, request):
        channel = offered(only(request.auth.channel, Channel.Kind.WEBSITE), Method.WEBSITE)
        begun = website_login.begin(channel, redirect_uri=f"{origin_of(request, channel)}/")
        return secret_answer(vars(begun) | {"expires_in": seconds(website_login.LIFETIME)})


class WebsiteIn(WechatIn):
    state = Text(max_length=128)
    verifier = Text(max_length=128)


class ByWebsite(SignInView):
    """POST what WeChat gave back, and the verifier that never left the page."""

    @extend_schema(request=WebsiteIn, parameters=[DEVICE_ID], responses=SIGNED_IN)
    def post(self, request):
        given, channel = WebsiteIn.read(request), only(request.auth.channel, Channel.Kind.WEBSITE)
        offered(channel, Method.WEBSITE)
        website_login.finish(channel, state=given["state"], verifier=given["verifier"])
        person = wechat.website(channel, given["code"])
        return self.answer(request, Shown(of_wechat(person, channel)), given)


class RegistrationIn(Input):
    registration_token = Text(max_length=4000)
    consents = consents()


class Register(SignInView):
    """POST consent to a registration that waited for it."""

    @extend_schema(request=RegistrationIn, parameters=[DEVICE_ID], responses=SIGNED_IN)
    def post(self, request):
        given = RegistrationIn.read(request)
        shown = registration.read(given["registration_token"], request.auth.channel)
        offered(request.auth.channel, method_of(shown, request.auth.channel))
        return self.answer(request, shown, given)


def only(channel: Channel, kind: str) -> Channel:
    """The channel, when it is of this kind; raises Problem `forbidden`."""
    if channel.kind != kind:
        raise Problem("forbidden")
    return channel


def offered(channel: Channel, method: str) -> Channel:
    """The channel, when its row offers this way to sign in; raises Problem `forbidden`."""
    if method not in channel.sign_in_methods:
        raise Problem("forbidden", _("This channel does not offer this way to sign in"))
    return channel


def method_of(shown: Shown, channel: Channel) -> str:
    """The way in which a proof came that waited for consent."""
    first = shown.evidence[0]
    if first.said:
        return Method.GRANT
    if first.kind == Identity.Kind.PHONE:
        return Method.PHONE
    return Method.MINI_PROGRAM if channel.kind == Channel.Kind.MINI_PROGRAM else Method.WEBSITE


def origin_of(request, channel: Channel) -> str:
    """Where WeChat sends the browser back to: the page's origin when it is the channel's, else the channel's first."""
    origin = request.headers.get("Origin", "")
    known = [origin] if origin in channel.origins else channel.origins
    return next(iter(known), f"{request.scheme}://{request.get_host()}")

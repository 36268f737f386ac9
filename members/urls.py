"""Paths of this floor under /api/v1/."""

from django.urls import path

from members.api import channel, codes, consents, link_cases, me, sessions, sign_in

urlpatterns = [
    path("policies", sign_in.Policies.as_view()),
    path("auth/sms-codes", sign_in.SmsCodes.as_view()),
    path("auth/phone", sign_in.ByPhone.as_view()),
    path("auth/phone/link", sessions.PhoneLink.as_view()),
    path("auth/register", sign_in.Register.as_view()),
    path("auth/wechat/mini-program", sign_in.ByMiniProgram.as_view()),
    path("auth/wechat/website/start", sign_in.WebsiteStart.as_view()),
    path("auth/wechat/website", sign_in.ByWebsite.as_view()),
    path("auth/wechat/phone", sessions.WechatPhone.as_view()),
    path("auth/step-up", sessions.StepUp.as_view()),
    path("auth/refresh", sessions.Refresh.as_view()),
    path("auth/logout", sessions.Logout.as_view()),
    path("me", me.Me.as_view()),
    path("me/phone", sessions.MyPhone.as_view()),
    path("me/identities/<uuid:identity_id>", sessions.MyIdentity.as_view()),
    path("me/consents", consents.MyConsents.as_view()),
    path("me/consents/<slug:purpose>", consents.OneConsent.as_view()),
    path("me/codes", codes.MyCodes.as_view()),
    path("me/sessions", sessions.Sessions.as_view()),
    path("me/sessions/<uuid:session_id>", sessions.OneSession.as_view()),
    path("link-cases/<uuid:case_id>", link_cases.OneCase.as_view()),
    path("link-cases/<uuid:case_id>/challenges", link_cases.CaseChallenges.as_view()),
    path("link-cases/<uuid:case_id>/proofs", link_cases.CaseProofs.as_view()),
    path("link-cases/<uuid:case_id>/decline", link_cases.DeclineCase.as_view()),
    path("members/resolve", channel.Resolve.as_view()),
    path("members/<uuid:member_id>", channel.OneMember.as_view()),
]

from members.models.asking import Request
from members.models.codes import MemberCode
from members.models.consents import Consent, Policy
from members.models.freezing import Freeze, Scope
from members.models.identities import Identity
from members.models.linking import LinkCase, Merge
from members.models.notices import MemberNotice, NoticeConsent, NoticeTemplate
from members.models.people import Member
from members.models.privacy import ExportFile, PrivacyRequest
from members.models.profile import Address, Avatar, FieldWrite
from members.models.sessions import Registration, Session, SignInGrant, SmsChallenge, WebsiteLogin, WechatToken

__all__ = [
    "Address",
    "Avatar",
    "Consent",
    "ExportFile",
    "FieldWrite",
    "Freeze",
    "Identity",
    "LinkCase",
    "Member",
    "MemberCode",
    "MemberNotice",
    "Merge",
    "NoticeConsent",
    "NoticeTemplate",
    "Policy",
    "PrivacyRequest",
    "Registration",
    "Request",
    "Scope",
    "Session",
    "SignInGrant",
    "SmsChallenge",
    "WebsiteLogin",
    "WechatToken",
]

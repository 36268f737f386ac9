from members.models.codes import MemberCode
from members.models.consents import Consent, Policy
from members.models.identities import Identity
from members.models.linking import LinkCase, Merge
from members.models.people import Member
from members.models.sessions import Registration, Session, SmsChallenge, WebsiteLogin, WechatToken

__all__ = [
    "Consent",
    "Identity",
    "LinkCase",
    "Member",
    "MemberCode",
    "Merge",
    "Policy",
    "Registration",
    "Session",
    "SmsChallenge",
    "WebsiteLogin",
    "WechatToken",
]

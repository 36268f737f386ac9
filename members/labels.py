"""What the fields of a person's copy are called, and the words in them (`members/copy_page.py`)."""

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _

from members.models import Consent, Freeze, Identity, LinkCase, Member, MemberNotice, Merge, PrivacyRequest, Scope


def words(**choices: type[TextChoices]) -> dict[str, object]:
    """The labels of a field's choices: `gender=female`."""
    return {f"{name}={value}": label for name, each in choices.items() for value, label in each.choices}


LABELS = {
    "profile": _("Profile"),
    "identities": _("Ways to sign in and numbers in shops"),
    "addresses": _("Addresses"),
    "consents": _("What you agreed to"),
    "sessions": _("Sign-ins"),
    "field_writes": _("Where details came from"),
    "restrictions": _("Restrictions"),
    "link_cases": _("Questions whether two accounts are one"),
    "merges": _("Accounts that became one"),
    "notices": _("Messages sent to you"),
    "notice_consents": _("Messages you said yes to"),
    "privacy_requests": _("Requests about your data"),
    "number": _("Number"),
    "nickname": _("Nickname"),
    "avatar_url": _("Picture"),
    "gender": _("Gender"),
    "birthday": _("Birthday"),
    "email": _("E-mail"),
    "phone": _("Phone"),
    "status": _("Status"),
    "channel": _("Channel"),
    "created_at": _("Created"),
    "updated_at": _("Changed"),
    "kind": _("Kind"),
    "value": _("Value"),
    "proof": _("Proof"),
    "verified_at": _("Verified"),
    "last_seen_at": _("Last seen"),
    "receiver": _("Receiver"),
    "province": _("Province"),
    "city": _("City"),
    "district": _("District"),
    "street": _("Street"),
    "postcode": _("Postcode"),
    "is_default": _("Default"),
    "purpose": _("Purpose"),
    "act": _("Act"),
    "evidence": _("Evidence"),
    "at": _("At"),
    "device": _("Device"),
    "device_id": _("Device id"),
    "revoked_at": _("Ended"),
    "field": _("Field"),
    "written_by": _("Written by"),
    "received_at": _("Received"),
    "scopes": _("What is restricted"),
    "reason": _("Reason"),
    "expires_at": _("Until"),
    "lifted_at": _("Lifted"),
    "state": _("State"),
    "identity_kind": _("Identity"),
    "closed_at": _("Closed"),
    "from_id": _("From"),
    "into_id": _("Into"),
    "title": _("Title"),
    "reference": _("Reference"),
    "sent_at": _("Sent"),
    "left": _("Sends left"),
    "asked_at": _("Asked at"),
    "due_at": _("Due"),
} | words(
    gender=Member.Gender, proof=Identity.Proof, identity_kind=Identity.Kind, act=Consent.Act, scopes=Scope,
)  # fmt: skip
LABELS |= {
    "purpose=terms": _("Terms of use"),
    "purpose=privacy": _("Privacy policy"),
    "purpose=marketing": _("Marketing"),
}
for _each in (Identity.Kind, LinkCase.Kind, Merge.Kind, PrivacyRequest.Kind):
    LABELS |= words(kind=_each)
for _each in (LinkCase.State, MemberNotice.State, PrivacyRequest.State):
    LABELS |= words(state=_each)
LABELS |= words(status=Member.Status, reason=Freeze.Reason)

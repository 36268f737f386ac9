"""What people do to prove themselves from within a session, as clients do it."""

from members.models import LinkCase, Member
from tests import make


def client_of(answer, channel="mini-program") -> make.Caller:
    """A client holding the tokens of a *session* answer."""
    body = answer.json()
    assert answer.status_code == 200, body
    return make.bearing(body["tokens"]["access_token"], channel=make.channel(channel))


def code_of(outside, sent) -> dict:
    """Challenge and code, as the phone's owner reads them."""
    body = sent.json()
    assert sent.status_code == 202, body
    return {"challenge_id": body["challenge_id"], "code": outside.sms_code(body["challenge_id"])}


def step_up(client, outside) -> None:
    """Confirm by the member's own phone."""
    given = code_of(outside, client.post("auth/sms-codes", {"purpose": "step_up"}))
    assert client.post("auth/step-up", given).status_code == 200


def put_phone(client, outside, phone: str):
    """Replace the phone by one that is read."""
    given = code_of(outside, client.post("auth/sms-codes", {"phone": phone, "purpose": "link"}))
    return client.put("me/phone", given)


def case_of(member: Member, other: Member, *, kind: str = "merge", proofs: list | None = None, **fields) -> LinkCase:
    """A case that a member opened about another."""
    about = {"identity_kind": "phone", "mask": other.phone_mask or "1", "proofs": proofs or []}
    return LinkCase.objects.create(kind=kind, member=member, other=other, **about | fields)


def prove(client, case, **fact):
    """Bring a fact forward."""
    return client.post(f"link-cases/{case.id}/proofs", fact)


def by_sms(client, outside, case):
    """Have the code sent to the other member's phone, and send it in."""
    sent = client.post(f"link-cases/{case.id}/challenges", {"kind": "sms"})
    return prove(client, case, kind="sms", **code_of(outside, sent))

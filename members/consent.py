"""Consent: what a person must agree to before the hub keeps anything of them, and the record of it."""

from members import queries
from members.models import Consent, Member, Policy
from sync import events
from sync.act import Actor
from sync.ids import request_id
from sync.models import Channel

Given = list[dict]  # [{"purpose", "version"}] as a client sends them


def missing(given: Given) -> list[Policy]:
    """All required policies in force, when one of them is not among those given: whoever agrees to them is done."""
    required = [policy for policy in queries.current_policies() if policy.is_required]
    return [] if {(p.purpose, p.version) for p in required} <= _pairs(given) else required


def grant(member: Member, given: Given, *, channel: Channel, by: Actor) -> bool:
    """Record each grant of a policy in force that is news, in a locked member's act. Returns whether any was.

    The caller touches the member. Versions that are not in force are no consent to anything.
    """
    said, granted = _pairs(given), queries.granted_by(member.id)
    news = [p for p in queries.current_policies() if (p.purpose, p.version) in said]
    news = [policy for policy in news if granted.get(policy.purpose) != policy.version]
    for policy in news:
        Consent.objects.create(
            member=member,
            purpose=policy.purpose,
            version=policy.version,
            act=Consent.Act.GRANTED,
            channel=channel,
            text_digest=policy.text_digest,
            evidence=request_id.get(),
        )
        data = {"id": str(member.id), "purpose": policy.purpose, "version": policy.version}
        events.record("member.consent_granted", subject=events.of_member(member.id), data=data, by=by)
    return bool(news)


def _pairs(given: Given) -> set[tuple[str, str]]:
    return {(item["purpose"], item["version"]) for item in given}

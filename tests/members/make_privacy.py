"""People who ask about their data."""

from datetime import timedelta

from members import erasing
from members.models import ExportFile, PrivacyRequest
from sync.clock import Clock
from tests import make


def stepped_up(member=None, channel="website", **fields):
    """A client whose person confirmed just now that it is them."""
    return make.member_client(member, channel, stepped_up_at=Clock(), **fields)


def come_due(kind: str = "erasure") -> None:
    """The time to think it over has passed."""
    PrivacyRequest.objects.filter(kind=kind).update(due_at=Clock() - timedelta(seconds=1))


def erase(client) -> int:
    """Ask to be erased and let the time pass; returns how many were erased then."""
    answer = client.post("me/erasure")
    assert answer.status_code == 202, answer.json()
    come_due()
    return erasing.erase_due()


def asked_for(member, kind: str = "correction") -> PrivacyRequest:
    """One open request; of a copy its file as well, fetched already."""
    made = PrivacyRequest.objects.create(member=member, kind=kind, by="staff/1", due_at=make.NOON)
    if kind == "export":
        ExportFile.objects.create(request=made, size=1, expires_at=make.NOON, fetched_at=make.NOON)
    return made

"""A member's points when two members become one: the balance moves by paired entries, its history stays readable."""

from datetime import datetime
from typing import ClassVar
from uuid import UUID

from loyalty import ledger, standing
from loyalty.ledger import BALANCE, Moves, Posting
from loyalty.models import Account, Entry
from loyalty.services import tiering
from sync.act import SYSTEM

MERGE, TRANSFER = "merge", "transfer"


class Loyalty:
    """Points accounts. Entries follow their account."""

    models: ClassVar = [Account]

    def lock(self, member_ids: list[UUID]) -> None:
        """The accounts there are, in ascending order of their members, as everybody locks them."""
        found = Account.objects.select_for_update(no_key=True).filter(member__in=member_ids)
        list(found.order_by("member_id").values_list("id", flat=True))

    def holds_value(self, member_id: UUID) -> bool:
        """Points in any state, debt, purchases and bonuses, or a tier."""
        empty = dict.fromkeys(["available", "pending", "held", "debt"], 0)
        return Account.objects.filter(member=member_id).exclude(**empty).exists() or standing.has_any(member_id)

    def seen_at(self, member_id: UUID) -> datetime | None:
        """Points come and go without their member."""
        return None

    def move(self, source: UUID, target: UUID) -> dict:
        """Carry balance, qualifying spending and used references over; Σ of both accounts stays what it was."""
        account = Account.objects.filter(member=source).first()
        if account is None:
            return {}
        moved = {name: getattr(account, name) for name in BALANCE[:-1]}
        entries = carry(account, target, Moves(**moved)) if any(moved.values()) else []
        journal = {"account": str(account.pk), "entries": entries, "moved": moved}
        return journal | hand_over(account, target)


def carry(account: Account, target: UUID, moves: Moves) -> list[str]:
    """The paired entries: out of the source's account, into the target's."""
    # The version names this move, should the two ever part and meet again.
    out = Posting(Entry.Kind.MOVED, -moves, TRANSFER, MERGE, f"to:{target}@{account.version}")
    into = Posting(Entry.Kind.MOVED, moves, TRANSFER, MERGE, f"from:{account.member_id}@{account.version}")
    return [str(ledger.post(account.member_id, out).entry.pk), str(ledger.post(target, into).entry.pk)]


def hand_over(account: Account, target: UUID) -> dict:
    """References, and what counts towards the tier: it is the higher of the two, or what both together reach."""
    survivor, _made = Account.objects.get_or_create(member_id=target)
    survivor.absorbed += [account.pk, *account.absorbed]
    survivor.save(update_fields=["absorbed"])
    return {"tier": tiering.join(account, survivor, by=SYSTEM)}

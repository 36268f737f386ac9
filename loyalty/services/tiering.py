"""Tiers: spending that counts, and rising at once when it reaches a threshold."""

from uuid import UUID

from loyalty import rules
from loyalty.models import Account, Tier
from sync import clock, events
from sync.act import Actor
from sync.http import instant


def qualify(member: UUID, fen: int, *, by: Actor, in_version: bool = False, at_least: Tier | None = None) -> None:
    """Count spending towards the member's tier, in the act of somebody who locked the member.

    `in_version`: the act has raised the account's version already. `at_least` is a tier the member is owed anyhow.
    """
    Account.objects.get_or_create(member_id=member)
    account = Account.objects.select_for_update(of=["self"], no_key=True).select_related("tier").get(member=member)
    account.qualifying_fen += fen
    account.version += not in_version
    account.updated_at = clock.now()
    rise(account, at_least, by)
    account.save(update_fields=["qualifying_fen", "version", "updated_at", "tier", "tier_since"])


def rise(account: Account, at_least: Tier | None, by: Actor) -> None:
    """Set the tier that the account has reached, and tell it; never a lower one."""
    tiers = list(Tier.objects.all())
    before, reached = account.tier or rules.tier_for(0, tiers), rules.tier_for(account.qualifying_fen, tiers)
    after = max(filter(None, [before, reached, at_least]), key=lambda tier: tier.threshold_fen, default=None)
    if after is None or after == before:
        return
    account.tier, account.tier_since = after, account.updated_at
    told = {"from": before and before.code, "to": after.code, "at": instant(account.tier_since)}
    events.record("tier.changed", subject=events.of_member(account.member_id), data=told, by=by)

"""A member's points when two members become one, part again, take their data with them, or are forgotten.

The balance moves by paired entries, its history stays where it was and readable; lots and open holds go along, so that
what is reversed later finds them.
"""

from collections.abc import Iterable
from dataclasses import asdict
from datetime import datetime
from typing import ClassVar
from uuid import UUID

from django.db.models import F, QuerySet, Sum
from django.utils.translation import gettext as _

from loyalty import queries, standing, told
from loyalty.labels import LABELS
from loyalty.ledger import BALANCE, Moves, Posting
from loyalty.models import Account, Draw, Entry, Hold, Lot, Purchase, TierChange
from loyalty.services import adjusting, bonuses, settling, tiering
from members.figures import Figure
from members.records import StillOpen
from sync.act import SYSTEM, Actor
from sync.clock import Clock
from sync.forgetting import Words
from sync.http import instant

MERGE, TRANSFER, ERASURE, ERASED = "merge", "transfer", "erasure", "erased"
COMPONENTS = BALANCE[:-1]


class Loyalty:
    """Points accounts. Entries follow their account."""

    models: ClassVar = [Account]
    labels: ClassVar = LABELS

    def lock(self, member_ids: list[UUID]) -> None:
        """The accounts there are, in ascending order of their members, as everybody locks them."""
        found = Account.objects.select_for_update(no_key=True).filter(member__in=member_ids)
        list(found.order_by("member_id").values_list("id", flat=True))

    def introduce(self, member_id: UUID, groups: list[int], by: Actor) -> None:
        """Points are fetched with the member."""

    def holds_value(self, member_id: UUID) -> bool:
        """Points in any state, debt, purchases and bonuses, or a tier."""
        empty = dict.fromkeys(COMPONENTS, 0)
        return Account.objects.filter(member=member_id).exclude(**empty).exists() or standing.has_any(member_id)

    def seen_at(self, member_id: UUID) -> datetime | None:
        """Points come and go without their member."""
        return None

    def knows(self, member_id: UUID, fact: dict) -> bool:
        """Channels show points to whoever looks."""
        return False

    def claim(self, member_id: UUID, phone: str, by: Actor) -> None:
        """Points wait for nobody: what a claimed order earns, it earns by being claimed."""

    def figures(self, member_id: UUID) -> Iterable[Figure]:
        """Points by component, and the tier."""
        points = queries.as_points(member_id)
        titles = {"available": _("Available"), "pending": _("Pending"), "held": _("Held"), "debt": _("Debt")}
        for name, title in titles.items():
            yield str(title), f"{points[name]:,}"
        yield _("Tier"), points["tier"]["name"] if points["tier"] else ""

    def move(self, source: UUID, target: UUID) -> dict:
        """Carry lots, holds, balance, purchases, tier and used references over; Σ of both stays what it was."""
        if not Account.objects.filter(member=source).exists():
            return {}
        for member in (source, target):
            settling.settle(member)
        account = Account.objects.get(member=source)
        survivor, _made = Account.objects.get_or_create(member_id=target)
        lots, holds = account.lots.all(), account.holds.filter(state=Hold.State.HELD)
        journal = {"account": str(account.pk), "lots": _handed(lots, survivor), "holds": _handed(holds, survivor)}
        journal |= _carry(account, target, Moves(**{name: getattr(account, name) for name in COMPONENTS}))
        _come_due(source, target)
        survivor.refresh_from_db()
        survivor.absorbed += [account.pk, *account.absorbed]
        survivor.save(update_fields=["absorbed"])
        journal["tier"] = tiering.join(account, survivor, by=SYSTEM)
        return journal | {"version": Account.objects.get(pk=survivor.pk).version}

    def restore(self, source: UUID, target: UUID, journal: dict) -> None:
        """Undo `move` by its journal: exactly, when no point of the target has moved since.

        Else what is left of the lots goes back to where they came from, holds that are still open with them; what was
        spent, and what settled a debt, stays so. Σ available of both never rises.
        """
        if not journal:
            return
        for member in (source, target):
            settling.settle(member)
        account, survivor = (Account.objects.get(member=member) for member in (source, target))
        lots, holds = _going(journal, survivor)
        if survivor.version == journal["version"]:
            away, back, settled = _as_it_was(journal)
        else:
            back = _what_is_left(lots, holds, min(survivor.debt, journal["moved"]["debt"]))
            away, settled = -back, []
        _handed(lots, account), _handed(holds, account)
        _give_back(survivor, account, away, back, settled)
        _come_due(source, target)
        gone = {account.pk, *account.absorbed}
        survivor.refresh_from_db()
        survivor.absorbed = [each for each in survivor.absorbed if each not in gone]
        survivor.save(update_fields=["absorbed"])
        account.refresh_from_db()
        tiering.part(account, survivor, journal["tier"], by=SYSTEM)

    def export(self, member_id: UUID) -> dict:
        """All there is of a member's points, for themselves: JSON, times in UTC."""
        settling.settle(member_id)
        account = Account.objects.filter(member=member_id).first()
        if account is None:
            return {}
        own = [account.pk, *account.absorbed]
        entries = Entry.objects.filter(account__in=own).select_related("channel", "follows").order_by("id")
        changes = TierChange.objects.filter(account__in=own).select_related("before", "after").order_by("at")
        return {
            "points": queries.as_points(member_id),
            "entries": [told.as_entry(entry) | {"reason": entry.reason} for entry in entries.iterator()],
            "lots": [_as_lot(lot) for lot in account.lots.order_by("pk").iterator()],
            "holds": [_as_hold(hold) for hold in Hold.objects.filter(account__in=own).order_by("pk").iterator()],
            "purchases": [_as_purchase(row) for row in account.purchases.order_by("paid_at").iterator()],
            "tier_changes": [_as_change(change) for change in changes],
        }

    def blocks(self, member_id: UUID) -> list[str]:
        """`hold` while points are held, `debt` while some are owed."""
        settling.settle(member_id)
        account = Account.objects.filter(member=member_id).first() or Account()
        return [reason for reason, points in (("hold", account.held), ("debt", account.debt)) if points]

    def known_as(self, member_id: UUID) -> Words:
        """Facts about points name their member in no words of their own."""
        return set()

    def erase(self, member_id: UUID) -> dict:
        """Forfeit the points and the tier. Entries stay: they name nobody. Raises StillOpen for a hold or a debt.

        Keyed tombstones of fixed bonuses stay as well: whoever comes back is given none twice.
        """
        if reasons := self.blocks(member_id):
            raise StillOpen(reasons)
        adjusting.forget(member_id)
        bonuses.remember(member_id)
        account = Account.objects.filter(member=member_id).first()
        if account is None:
            return {"gone": {}, "kept": {}}
        left = Moves(available=-account.available, pending=-account.pending)
        if left != Moves():
            named = {"source": ERASURE, "reference": f"v{account.version}", "owe": True}
            settling.post(member_id, Posting(Entry.Kind.EXPIRED, left, ERASED, **named), SYSTEM)
        tiering.close(account)
        return {"gone": {"points": -left.available - left.pending}, "kept": {"entries": account.entries.count()}}


def _handed(rows: QuerySet, account: Account) -> list[str]:
    """Give lots or holds to another account; returns their keys."""
    keys = sorted(rows.values_list("pk", flat=True))
    rows.model.objects.filter(pk__in=keys).update(account=account)
    return [str(key) for key in keys]


def _carry(account: Account, target: UUID, moves: Moves) -> dict:
    """The paired entries: out of the source's account, into the target's."""
    journal = {"moved": asdict(moves), "entries": []}
    if moves != Moves():
        # The version names this move, should the two ever part and meet again.
        out = Posting(Entry.Kind.MOVED, -moves, TRANSFER, MERGE, f"to:{target}@{account.version}")
        into = Posting(Entry.Kind.MOVED, moves, TRANSFER, MERGE, f"from:{account.member_id}@{account.version}")
        made = settling.post(account.member_id, out, SYSTEM), settling.post(target, into, SYSTEM)
        journal["entries"] = [str(posted.entry.pk) for posted in made]
    return journal


def _going(journal: dict, survivor: Account) -> tuple[QuerySet[Lot], QuerySet[Hold]]:
    """What came with the merge and is still there. A lot that a hold made since draws on stays with that hold, and so
    does every hold that draws on a lot that stays."""
    open_holds = Hold.objects.filter(account=survivor, state=Hold.State.HELD)
    drawn = list(Draw.objects.filter(entry__holding__in=open_holds).values_list("entry", "lot"))
    holds, in_use = {UUID(pk) for pk in journal["holds"]}, set()
    while more := {lot for hold, lot in drawn if hold not in holds} - in_use:
        in_use |= more
        holds -= {hold for hold, lot in drawn if lot in in_use}
    lots = Lot.objects.filter(pk__in=journal["lots"], account=survivor).exclude(pk__in=in_use)
    return lots, open_holds.filter(pk__in=holds)


def _as_it_was(journal: dict) -> tuple[Moves, Moves, list[Draw]]:
    """What leaves the target, what the source had, and what the merge drew from lots to settle a debt of either."""
    back = Moves(**journal["moved"])
    if back == Moves():
        return back, back, []
    into = Entry.objects.get(pk=journal["entries"][1])
    return -Moves(into.available, into.pending, into.held, into.debt), back, list(into.draws.all())


def _what_is_left(lots: QuerySet[Lot], holds: QuerySet[Hold], debt: int) -> Moves:
    """Of what came with the merge; of a debt what nothing has settled since."""
    available, pending = (lots.filter(is_pending=each).aggregate(n=Sum("remaining"))["n"] for each in (False, True))
    held = holds.aggregate(n=Sum("points"))["n"]
    return Moves(available or 0, pending or 0, held or 0, debt)


def _give_back(survivor: Account, account: Account, away: Moves, back: Moves, settled: list[Draw]) -> None:
    """The paired entries of a parting; points that had settled a debt of the other side lie in their lots again."""
    if back == Moves():
        return
    out = Posting(Entry.Kind.MOVED, away, TRANSFER, MERGE, f"back-to:{account.member_id}@{survivor.version}")
    into = Posting(Entry.Kind.MOVED, back, TRANSFER, MERGE, f"back-from:{survivor.member_id}@{survivor.version}")
    settling.post(survivor.member_id, out, SYSTEM)
    for draw in settled:
        Lot.objects.filter(pk=draw.lot_id).update(remaining=F("remaining") - draw.remaining)
        Draw.objects.create(entry_id=out.id, lot_id=draw.lot_id, remaining=-draw.remaining)
    settling.post(account.member_id, into, SYSTEM)


def _come_due(*members: UUID) -> None:
    """Have the accounts look again when something is due on them: their lots and holds are others now."""
    Account.objects.filter(member__in=members).update(due_at=Clock())
    for member in members:
        settling.settle(member)


def _as_lot(lot: Lot) -> dict:
    return {
        "earned": lot.earned,
        "remaining": lot.remaining,
        "held": lot.held,
        "pending": lot.is_pending,
        "available_at": instant(lot.available_at),
        "expires_at": instant(lot.expires_at),
    }


def _as_hold(hold: Hold) -> dict:
    return {
        "reference": hold.reference,
        "points": hold.points,
        "captured": hold.captured,
        "state": hold.state,
        "created_at": instant(hold.created_at),
        "expires_at": instant(hold.expires_at),
    }


def _as_purchase(purchase: Purchase) -> dict:
    return {
        "order": purchase.order_number,
        "paid_at": instant(purchase.paid_at),
        "paid_fen": purchase.paid_fen,
        "refunded_fen": purchase.refunded_fen,
        "points": purchase.points,
        "points_taken_back": purchase.reversed_points,
    }


def _as_change(change: TierChange) -> dict:
    before = change.before and change.before.code
    return {"at": instant(change.at), "from": before, "to": change.after.code, "cause": change.cause}

"""What the fields of points in a person's copy are called, and the words in them."""

from django.utils.translation import gettext_lazy as _

from loyalty.models import Entry, Hold

LABELS = {
    "points": _("Points"),
    "entries": _("Points entries"),
    "lots": _("Lots of points"),
    "holds": _("Points held"),
    "purchases": _("Purchases that earned points"),
    "tier_changes": _("Changes of tier"),
    "available": _("Available"),
    "pending": _("Pending"),
    "held": _("Held"),
    "debt": _("Debt"),
    "expiring": _("Expiring soon"),
    "tier": _("Tier"),
    "since": _("Since"),
    "until": _("Until"),
    "qualifying": _("Counted towards the tier"),
    "next": _("Next tier"),
    "missing": _("Missing"),
    "available_after": _("Available after"),
    "available_at": _("Available from"),
    "expires_at": _("Until"),
    "earned": _("Earned"),
    "remaining": _("Remaining"),
    "captured": _("Points taken"),
    "order": _("Order"),
    "points_taken_back": _("Points taken back"),
    "from": _("From"),
    "to": _("To"),
    "cause": _("Cause"),
}
LABELS |= {f"kind={value}": label for value, label in Entry.Kind.choices}
LABELS |= {f"state={value}": label for value, label in Hold.State.choices}

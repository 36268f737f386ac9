"""An entry in plain sentences, as staff reads them to a member."""

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from loyalty.admin.columns import count, deed_of, fact, last_day
from loyalty.models import Entry
from sync.admin.shown import moment

SENTENCES = {
    "earned": gettext_lazy("%(points)s points were earned: %(fact)s."),
    "spent": gettext_lazy("%(points)s points were spent: %(fact)s. They came from the lots that expire first."),
    "captured": gettext_lazy("%(points)s points of the hold %(fact)s were spent."),
    "held": gettext_lazy("%(points)s points were set aside: %(fact)s. Nothing is spent yet."),
    "released": gettext_lazy("%(points)s points of the hold %(fact)s may be spent again."),
    "available": gettext_lazy("%(points)s pending points became available: %(fact)s."),
    "taken back": gettext_lazy("%(points)s points that were earned by %(fact)s were taken back."),
    "given back": gettext_lazy("%(points)s points that were spent on %(fact)s came back to the lots they were from."),
    "turned down": gettext_lazy("%(points)s points above a channel's limits were not given: %(fact)s."),
    "expired": gettext_lazy("%(points)s points expired."),
    "adjusted": gettext_lazy("%(points)s points were given by staff."),
    "adjusted away": gettext_lazy("%(points)s points were taken by staff."),
    "written off": gettext_lazy("%(points)s points owed were written off: %(fact)s."),
    "moved in": gettext_lazy("%(points)s points came from a member who was merged into this one."),
    "moved out": gettext_lazy("%(points)s points went to the member this one was merged into."),
}


def of(entry: Entry) -> list[str]:
    """What it did, when points come or go, what it did to a debt."""
    earlier = entry.follows or entry.reverses or entry
    told = SENTENCES[_key(entry)] % {"points": count(abs(entry.points)), "fact": fact(earlier.reference)}
    return [str(told), *_dates(entry), *_debt(entry)]


def _key(entry: Entry) -> str:
    key = deed_of(entry)
    if key == "adjusted" and entry.source in {"forgiven", "paid_in_money"}:
        return "written off"
    return "adjusted away" if key == "adjusted" and entry.points < 0 else key


def _dates(entry: Entry) -> list[str]:
    said = []
    if entry.pending > 0:
        opens = {"time": moment(entry.available_at)[:16]}
        said.append(_("They may be spent from %(time)s.") % opens if entry.available_at else _("They wait for staff."))
    if entry.kind == Entry.Kind.EARNED and entry.expires_at:
        said.append(_("Valid through %(day)s.") % {"day": last_day(entry.expires_at)})
    if entry.kind == Entry.Kind.HELD and entry.expires_at:
        said.append(_("They come back by themselves at %(time)s.") % {"time": moment(entry.expires_at)[:16]})
    return said


def _debt(entry: Entry) -> list[str]:
    if entry.debt > 0:
        return [_("%(points)s of them were not there any more and are owed now.") % {"points": count(entry.debt)}]
    if entry.debt < 0 and _key(entry) != "written off":
        return [_("%(points)s of them settled points that were owed.") % {"points": count(-entry.debt)}]
    return []

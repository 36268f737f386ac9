"""Columns that pages of points share: what an entry did in words, which way points went, until when a lot lives."""

import re
from datetime import datetime, timedelta

from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from loyalty.models import Entry, Hold, Lot
from sync.admin import shown

COMPONENTS = {
    "available": gettext_lazy("Available"),
    "pending": gettext_lazy("Pending"),
    "held": gettext_lazy("Held"),
    "debt": gettext_lazy("Debt"),
}
TONES = {
    **dict.fromkeys(["earned", "available", "given back"], shown.GOOD),
    **dict.fromkeys(["held", "pending", "waiting", "expiring"], shown.BUSY),
    **dict.fromkeys(["expired", "taken back", "turned down"], shown.BAD),
}
DEEDS = {
    "earned": gettext_lazy("Earned"),
    "spent": gettext_lazy("Spent"),
    "captured": gettext_lazy("Spent from a hold"),
    "held": gettext_lazy("Held"),
    "released": gettext_lazy("Hold released"),
    "available": gettext_lazy("Became available"),
    "taken back": gettext_lazy("Taken back"),
    "given back": gettext_lazy("Given back"),
    "turned down": gettext_lazy("Turned down"),
    "expired": gettext_lazy("Expired"),
    "adjusted": gettext_lazy("Adjusted"),
    "moved in": gettext_lazy("Came with a merge"),
    "moved out": gettext_lazy("Left with a merge"),
}
ORIGINS = {  # what posts on its own account, beside channels
    "hub": gettext_lazy("The hub"),
    "reversal": gettext_lazy("Reversal"),
    "captured": gettext_lazy("Capture of a hold"),
    "released": gettext_lazy("End of a hold"),
    "turned-down": gettext_lazy("Staff"),
    "available": gettext_lazy("By time"),
    "expiry": gettext_lazy("By time"),
    "merge": gettext_lazy("Merge of members"),
    "forgiven": gettext_lazy("Forgiven"),
    "paid_in_money": gettext_lazy("Taken off the refund"),
}
CONTRAS = {
    "issued": gettext_lazy("Points issued"),
    "redeemed": gettext_lazy("Points redeemed"),
    "expired": gettext_lazy("Points expired"),
    "adjusted": gettext_lazy("Adjusted"),
    "transfer": gettext_lazy("Merge of members"),
    "forgiven": gettext_lazy("Forgiven"),
    "paid_in_money": gettext_lazy("Taken off the refund"),
}
STATES = {
    "waiting": gettext_lazy("Waiting for staff"),
    "pending": gettext_lazy("Pending"),
    "available": gettext_lazy("Available"),
    "expiring": gettext_lazy("Expires soon"),
    "expired": gettext_lazy("Expired"),
    "held": gettext_lazy("Held"),
    "gone": gettext_lazy("Used up"),
}
DAY = timedelta(days=1)
MINUS = str.maketrans("-", "−")
FACTS = [
    (re.compile(r"order:(D[0-9]+):paid"), gettext_lazy("Order %(number)s")),
    (re.compile(r"refund:(.+)"), gettext_lazy("Refund %(number)s")),
    (re.compile(r"returned:(.+)"), gettext_lazy("Return %(number)s")),
    (re.compile(r"adjust:[-0-9a-f]{28}([0-9a-f]{8})"), gettext_lazy("Adjustment %(number)s")),
    (re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})/[0-9]+"), gettext_lazy("Expiry %(number)s")),
    (re.compile(r"(?:to|from):[-0-9a-f]{28}([0-9a-f]{8}).*"), gettext_lazy("Merge %(number)s")),
]


def count(points: int) -> str:
    """1,234 with a real minus sign."""
    return f"{points:,}".translate(MINUS)


def signed(points: int, name: str = "") -> str:
    """+1,234 or −1,234, in colour: more of anything is good, but of a debt."""
    is_good = (points > 0) != (name == "debt")
    text = f"{points:+,}".translate(MINUS)
    return format_html('<i class="hub-sum hub-sum-{}">{}</i>', "up" if is_good else "down", text)


def deed_of(entry: Entry) -> str:
    """What an entry did, more exactly than its kind: a key of DEEDS."""
    match entry.kind:
        case Entry.Kind.RELEASED if entry.source == "available":
            return "available"
        case Entry.Kind.SPENT if entry.source == "captured":
            return "captured"
        case Entry.Kind.REVERSED if entry.source == "turned-down":
            return "turned down"
        case Entry.Kind.REVERSED:
            return "taken back" if entry.contra > 0 else "given back"
        case Entry.Kind.MOVED:
            return "moved out" if entry.contra > 0 else "moved in"
    return entry.kind


def deed(entry: Entry) -> str:
    """That, as a badge."""
    key = deed_of(entry)
    return shown.tag(DEEDS[key], TONES.get(key, shown.QUIET))


def moves(entry: Entry) -> str:
    """Every component that moved, with its sign."""
    moved = [(name, signed(getattr(entry, key), key)) for key, name in COMPONENTS.items() if getattr(entry, key)]
    return format_html_join(" · ", '<span class="hub-nowrap">{} {}</span>', moved)


def fact(text: str) -> str:
    """A reference as people say it: an order, a refund by its number; others as they are."""
    for pattern, words in FACTS:
        if known := pattern.fullmatch(text):
            return words % {"number": known[1]}
    return text


def reference(entry: Entry) -> str:
    """The fact that an entry stands for; of what follows or undoes another entry, that one's, and the way to it."""
    earlier = entry.follows or entry.reverses
    if earlier is None:
        return called_for(entry.reference)
    way = format_html("↩ {}", shown.linked(earlier, called_for(earlier.reference)))
    is_own = str(earlier.pk) not in entry.reference
    return format_html("{} {}", called_for(entry.reference), way) if is_own else way


def named(entry: Entry) -> str:
    """A link to an entry, by the fact it stands for."""
    earlier = entry.follows or entry.reverses
    return shown.linked(entry, called_for((earlier or entry).reference))


def called_for(text: str) -> str:
    """A reference as people say it; one that only machines say in a fixed width."""
    words = fact(text)
    return words if words != text else format_html("<code>{}</code>", text)


def day(at: datetime | None) -> str:
    """The day of a moment, in Shanghai."""
    return format_html('<span title="{}">{}</span>', shown.moment(at), shown.moment(at)[:10]) if at else shown.EMPTY


def why(entry: Entry) -> str:
    """The reason and the version of the rule that made it."""
    parts = [entry.reason, shown.linked(entry.rule) if entry.rule_id else ""]
    return format_html_join(" · ", "{}", ((each,) for each in parts if each)) or shown.EMPTY


def who(entry: Entry) -> str:
    """Who or what posted it: staff by name, a channel, or what the hub does by itself."""
    if adjustment := getattr(entry, "adjustment", None):
        return " → ".join(called(each) for each in (adjustment.asked_by, adjustment.decided_by) if each)
    if entry.channel_id and entry.source != "turned-down":
        return str(entry.channel)
    return str(ORIGINS.get(entry.source, entry.source))


def contra(entry: Entry) -> str:
    """Where the points came from or went, in the books."""
    return CONTRAS.get(entry.contra_kind, entry.contra_kind or shown.EMPTY)


def called(staff) -> str:
    """A person of the staff, by name."""
    return staff.get_full_name() or staff.username


def balance(row) -> str:
    """The way from what belongs to an account to its balance."""
    return shown.linked(row.account, _("See the balance"))


def state_of(lot: Lot) -> str:
    """What may be said of a lot: a key of STATES. `lot.notice_days` before its end the member is told of it,
    `lot.has_expired` whether any of it went by time.
    """
    now = timezone.now()
    if not lot.remaining:
        return "held" if lot.held else "expired" if lot.has_expired else "gone"
    if lot.expires_at and lot.expires_at <= now:
        return "expired"
    if lot.is_pending:
        return "pending" if lot.available_at else "waiting"
    return "expiring" if lot.expires_at and lot.expires_at <= now + lot.notice_days * DAY else "available"


def state(lot: Lot) -> str:
    """That, as a badge."""
    key = state_of(lot)
    return shown.tag(STATES[key], TONES.get(key, shown.QUIET))


def last_day(until: datetime | None) -> str:
    """The last day something may be used, as people say it; with the minute when it does not end at midnight."""
    if until is None:
        return shown.EMPTY
    local = timezone.localtime(until)
    if (local.hour, local.minute, local.second) == (0, 0, 0):
        return f"{local - DAY:%Y-%m-%d}"
    return f"{local:%Y-%m-%d %H:%M}"


def days_left(until: datetime) -> str:
    """How many days are left, today included only as the last one."""
    left = (timezone.localdate(until - timedelta(microseconds=1)) - timezone.localdate()).days
    if until <= timezone.now():
        return _("over")
    return _("%(days)s d left") % {"days": f"{left:,}"} if left else _("last day")


def valid_through(lot: Lot) -> str:
    """A lot's last day and what is left until then; what is spent already needs no haste."""
    if lot.expires_at is None:
        return format_html('<span class="hub-mute">{}</span>', _("Never expires"))
    exactly = shown.moment(lot.expires_at)
    until = format_html('<span class="hub-time" title="{}">{}</span>', exactly, last_day(lot.expires_at))
    if not lot.remaining:
        return until
    tone = {"expiring": shown.BUSY, "expired": shown.BAD}.get(state_of(lot), shown.QUIET)
    grace = shown.tag(_("in grace"), shown.BUSY) if lot.graced_at else ""
    return format_html("{} {} {}", until, shown.tag(days_left(lot.expires_at), tone), grace)


def pending_until(lot: Lot) -> str:
    """When pending points become available; nothing once they are."""
    if not (lot.is_pending and lot.remaining):
        return shown.EMPTY
    if lot.available_at is None:
        return _("After approval")
    return format_html('<span class="hub-time">{}</span>', shown.moment(lot.available_at)[:16])


def hold_state(hold: Hold) -> str:
    """A hold's state, as a badge; one whose time is over but that nothing has touched since is told so."""
    if hold.state == Hold.State.HELD and hold.expires_at <= timezone.now():
        return shown.tag(_("Over, not settled yet"), shown.BAD)
    tones = {Hold.State.HELD: shown.BUSY, Hold.State.CAPTURED: shown.GOOD}
    return shown.tag(hold.get_state_display(), tones.get(hold.state, shown.QUIET))


def hold_ends(hold: Hold) -> str:
    """When an open hold lets go by itself, and in how many minutes; of a closed one, when it would have."""
    at = format_html('<span class="hub-time">{}</span>', shown.moment(hold.expires_at))
    minutes = int((hold.expires_at - timezone.now()).total_seconds() // 60)
    if hold.state != Hold.State.HELD or minutes < 0:
        return at
    words = _("%(hours)s h %(minutes)s min left") if minutes >= 60 else _("%(minutes)s min left")
    return format_html("{} {}", at, shown.tag(words % {"hours": minutes // 60, "minutes": minutes % 60}, shown.BUSY))

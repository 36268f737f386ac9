"""Times to the millisecond, and how long things took, in words short enough for a table."""

from datetime import datetime, timedelta

from django.utils import timezone
from django.utils.translation import gettext as _

from sync.admin.shown import EMPTY


def precise(at: datetime | None) -> str:
    """Shanghai time to the millisecond."""
    return timezone.localtime(at).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3] if at else EMPTY


def lasted(start: datetime | None, end: datetime | None) -> str:
    """How long it took: 8 ms, 4.2 s, 12 min, 3 h, 5 d; less than nothing is clocks that differ, shown as 0 ms."""
    if start is None or end is None:
        return EMPTY
    seconds = max((end - start) / timedelta(seconds=1), 0.0)
    if seconds < 1:
        return _("%(count)s ms") % {"count": round(seconds * 1000)}
    if seconds < 60:
        return _("%(count)s s") % {"count": f"{seconds:.1f}"}
    if seconds < 2 * 3600:
        return _("%(count)s min") % {"count": round(seconds / 60)}
    if seconds < 48 * 3600:
        return _("%(count)s h") % {"count": round(seconds / 3600)}
    return _("%(count)s d") % {"count": round(seconds / 86_400)}


def after(start: datetime, end: datetime | None) -> str:
    """The same as an offset: +8 ms, −12 ms before it."""
    if end is None:
        return ""
    return f"+{lasted(start, end)}" if end >= start else f"−{lasted(end, start)}"

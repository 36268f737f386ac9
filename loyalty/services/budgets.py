"""How many points one person may still give or take today, exact for one who asks twice at the same moment."""

from django.contrib.auth.models import User
from django.db import connection
from django.utils.translation import gettext_lazy as _

from loyalty.models import Programme
from sync.act import Actor

ASKED_TODAY = """
SELECT coalesce((
    SELECT sum(abs(a.points)) FROM loyalty_adjustment a
    WHERE a.asked_by_id = %(person)s AND a.file_id IS NULL AND a.state IN ('asked', 'posted')
        AND a.asked_at >= d.midnight
), 0)::bigint + coalesce((
    SELECT sum(f.given + f.taken) FROM loyalty_adjustmentfile f
    WHERE f.asked_by_id = %(person)s AND NOT f.needs_approval AND f.state IN ('running', 'posted')
        AND f.asked_at >= d.midnight
), 0)::bigint
FROM (SELECT date_trunc('day', clock_timestamp(), 'Asia/Shanghai') AS midnight) d
"""


class OverBudget(Exception):
    """More than the person may still adjust today; nothing was changed."""

    def __init__(self, left: int):
        super().__init__(_("You may adjust %(left)s more points today") % {"left": f"{left:,}"})
        self.left = left


def locked(by: Actor) -> User:
    """The person, locked: what they ask for meanwhile waits. The first lock of an act, before any member's."""
    return User.objects.select_for_update(no_key=True).get(pk=int(by.id))


def left_of(person: int) -> int:
    """Points, given or taken, that the person may still ask for today (Shanghai), approved ones included."""
    with connection.cursor() as cursor:
        cursor.execute(ASKED_TODAY, {"person": person})
        return max(0, Programme.current().adjust_per_day - cursor.fetchone()[0])


def require(person: int, points: int) -> None:
    """Raises OverBudget when so many points are more than is left."""
    if points > (left := left_of(person)):
        raise OverBudget(left)

"""Points at checkout: held when an order is placed, spent by the act that pays it, given back by what closes it.

The holds are the hub's own: no channel closes them. The locks on member and order are held by the caller's act.
"""

from datetime import timedelta

from django.utils.translation import gettext_lazy as _

from loyalty import services as loyalty
from loyalty.models import Entry, Hold, Programme
from loyalty.models.ledger import LONGEST
from orders import rules
from orders.models import Order, OrderTerms
from sync import prepared
from sync.act import Actor, act

SET_ASIDE = "UPDATE orders_order SET hold_id = %s WHERE id = %s"
MARGIN = timedelta(minutes=30)  # money that is on its way when the order closes still finds the points


class NoMember(Exception):
    """Points belong to a member: a guest has none."""

    def __init__(self):
        super().__init__(_("Only a member's order can be paid with points"))


class TooManyPoints(Exception):
    """More points than this order may be paid with; `most` is how many it may."""

    def __init__(self, most: int):
        super().__init__(_("At most %(most)s points can be used for this order") % {"most": most})
        self.most = most


def most_points(owed_fen: int, terms: Programme, fen_per_point: int | None = None) -> int:
    """How many points may pay towards a sum, as the programme says; each worth so much, by default what it says now."""
    return rules.most_points(owed_fen, terms.redeem_percent, fen_per_point or terms.fen_per_point)


def require_possible(points: int, owed_fen: int, terms: Programme) -> None:
    """Raise TooManyPoints when points would pay more of an order than the programme allows."""
    if points > (most := most_points(owed_fen, terms)):
        raise TooManyPoints(most)


@act
def hold_for(order: Order, terms: OrderTerms, by: Actor, *, is_present: bool | None = None) -> None:
    """Set aside the points a placed order is to be paid with, until it closes and a little longer.

    `is_present`: whether a proof showed the member to be there; None asks for a session on the order's channel. Raises
    loyalty's NotPresent, NotEnough, Frozen.
    """
    if is_present is False:
        raise loyalty.NotPresent
    lasts = timedelta(minutes=terms.close_after_minutes) + MARGIN
    order.hold, _is_new = loyalty.hold(
        member=order.member_id,
        channel=order.channel,
        points=order.points_redeemed,
        reference=f"order:{order.number}:points",
        expires_in=min(lasts, LONGEST),
        by=by,
        is_present=bool(is_present),
        source=loyalty.HUB,
    )
    prepared.run(SET_ASIDE, [order.hold.pk, order.pk])


@act
def capture(order: Order, by: Actor) -> None:
    """Spend the points that an order just paid was to be paid with; the rest of the hold is given back.

    When the hold ran out before the money came, the points are taken all the same, and what is not there is owed.
    The same again changes nothing, nor does it for an order without points.
    """
    if not order.hold_id:
        return
    if not order.points_redeemed:
        return release(order, by)
    loyalty.redeem(hold=order.hold_id, points=order.points_redeemed, by=by, source=loyalty.HUB)


@act
def release(order: Order, by: Actor) -> None:
    """Give back the points that an order just closed was to be paid with. The same again changes nothing."""
    if order.hold_id:
        loyalty.let_go(hold=order.hold_id, by=by, source=loyalty.HUB)


def spent_for(order: Order) -> Entry | None:
    """The entry that spent an order's points: what a refund gives back is given back to it."""
    return loyalty.spent_of(Hold.objects.select_related("account").get(pk=order.hold_id)) if order.hold_id else None

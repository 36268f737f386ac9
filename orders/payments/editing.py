"""Editing orders that somebody may be paying: a payment of another amount is asked about and closed first."""

from uuid import UUID

from orders import services
from orders.models import Order
from orders.payments import checkout
from orders.services.editing import edit as edit_once

TRIES = 3  # payments that may be opened while the ones before them are being closed


def edit(*, order: UUID, **wanted) -> Order:
    """`services.edit`, what stands in its way closed at its provider. Not to be called in a transaction.

    Raises what the act raises but Occupied; InProgress when money is there or on its way; Unavailable or Refused by
    the provider.
    """
    for _try in range(TRIES):
        try:
            return edit_once(order=order, **wanted)
        except services.Occupied as occupied:
            checkout.make_way(occupied.payment)
    raise services.InProgress

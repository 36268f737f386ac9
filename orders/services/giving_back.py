"""All the money of a payment case goes back, exactly once: by the provider that took it, or by the channel that did."""

from uuid import UUID

from django.utils.translation import gettext_lazy as _

from orders.models import Order, PaymentCase, Refund
from orders.rules import WECHAT_PAY
from orders.services.room import Wanted
from sync.act import Actor, act
from sync.clock import Clock


class NotOurs(Exception):
    """The hub did not take this money, or it was used otherwise."""

    def __init__(self):
        super().__init__(_("The hub cannot give this money back: whoever took it has to"))


@act
def refund_case(*, case: UUID, by: Actor) -> Refund:
    """Give back all the money of a payment case: `processing`, for `payments.refunding.carry_out` to call.

    Again gives the same refund, after one that failed a new one. The case's order, if any, is locked by the caller.
    Raises PaymentCase.DoesNotExist, NotOurs.
    """
    rows = PaymentCase.objects.select_for_update(no_key=True, of=["self"])
    found = rows.select_related("payment", "merchant").get(pk=case)
    if known := found.refunds.exclude(state=Refund.State.FAILED).first():
        return known
    if found.action == PaymentCase.Action.REOPEN or found.provider != WECHAT_PAY or found.merchant_id is None:
        raise NotOurs
    return Refund.objects.create(
        case=found,
        payment=found.payment,
        merchant=found.merchant,
        provider=found.provider,
        amount_fen=found.amount_fen,
        state=Refund.State.PROCESSING,
        asked_by=str(by),
        decided_by=str(by),
        next_at=Clock(),
    )


def case_meant(order: Order, wanted: Wanted, provider: str) -> PaymentCase | None:
    """The open case of a channel's own money that a refund it did gives back: all of it, and no goods of a paid order.

    The order's lock is held by the caller's act.
    """
    if wanted.pieces and order.payment_status == Order.PaymentStatus.PAID:
        return None
    own = order.cases.filter(resolved_at=None, merchant=None, provider=provider, amount_fen=wanted.amount_fen)
    open_ = own.exclude(refunds__state__in=[Refund.State.REQUESTED, Refund.State.PROCESSING, Refund.State.DONE])
    return open_.select_for_update(no_key=True, of=["self"]).order_by("created_at").first()

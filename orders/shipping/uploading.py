"""发货信息: WeChat is told of shipping once per payment, and corrected at most once, when a person says so.

Who may call: `want` is a part of the acts that ship, correct, deliver and settle; `correct` and `resend` are for staff;
`settled` is what WeChat pushed. What is sent, and when, is `orders/shipping/telling.py`'s.

Counted as WeChat counts: uploads of further parcels of a split shipping are no corrections as long as it was not said
that all is delivered. From then on whatever is sent is the one correction a payment has.
"""

from datetime import datetime
from uuid import UUID

from django.db.models import Case, F, Value, When
from django.utils.translation import gettext_lazy as _

from orders import terms
from orders.models import Order, Payment, ShippingUpload
from orders.rules import WECHAT_PAY
from sync.act import Actor, act
from sync.clock import Clock
from sync.models import Channel

State = ShippingUpload.State
UNDER_WAY = (State.SENDING, State.UNCLEAR)  # looked at again anyway
DIFFERS = "differs"  # WeChat was told everything, and it is not so any more


class NotCorrectable(Exception):
    """There is nothing to correct, or the one correction of this payment is used."""

    def __init__(self):
        super().__init__(_("WeChat holds what is so, or its one correction is used"))


class NotRefused(Exception):
    """Only what WeChat refused can be sent again by hand."""

    def __init__(self):
        super().__init__(_("WeChat did not refuse this"))


@act
def want(order: Order, by: Actor) -> None:
    """Something of a locked order's shipping changed: have WeChat told, where it has to be. Cheap, and idempotent."""
    payment = None if order.is_history else _payment(order)
    if payment is None:
        return
    ShippingUpload.objects.bulk_create([ShippingUpload(payment=payment)], ignore_conflicts=True)
    look = ShippingUpload.objects.filter(payment=payment).exclude(state__in=UNDER_WAY)
    is_new = When(next_at=None, state=State.SENT, then=Clock())
    look.update(next_at=Clock(), wanted_at=Case(is_new, default=F("wanted_at")))


@act
def correct(*, upload: UUID, by: Actor) -> ShippingUpload:
    """Use the one correction: WeChat is told anew what is so now. Raises DoesNotExist, NotCorrectable."""
    found = ShippingUpload.objects.select_for_update(no_key=True).get(pk=upload)
    is_spent = found.is_corrected or found.settled_at is not None
    if is_spent or found.state != State.SENT or not found.is_complete or found.problem != DIFFERS:
        raise NotCorrectable
    found.state, found.wants_correction, found.next_at, found.wanted_at = State.WAITING, True, Clock(), Clock()
    found.save(update_fields=["state", "wants_correction", "next_at", "wanted_at"])
    return found


@act
def resend(*, upload: UUID, by: Actor) -> ShippingUpload:
    """Have what WeChat refused sent again: somebody put right what was wrong. Raises DoesNotExist, NotRefused."""
    found = ShippingUpload.objects.select_for_update(no_key=True).get(pk=upload)
    if found.state != State.FAILED:
        raise NotRefused
    found.state, found.problem, found.next_at, found.attempts = State.WAITING, "", Clock(), 0
    found.save(update_fields=["state", "problem", "next_at", "attempts"])
    return found


@act
def settled(*, transaction_id: str, mchid: str, app_id: str, at: datetime) -> bool:
    """WeChat let go of the money of a payment, `at`. Told again it changes nothing. False: it is none of ours."""
    paid = Payment.objects.filter(provider=WECHAT_PAY, transaction_id=transaction_id, state=Payment.State.PAID)
    payment = paid.filter(app_id=app_id, merchant__mchid=mchid).first()
    if payment is None:
        return False
    fresh = ShippingUpload(payment=payment, next_at=None, state=State.SENT, sent_at=at, is_complete=True)
    ShippingUpload.objects.bulk_create([fresh], ignore_conflicts=True)  # somebody told WeChat by hand
    ShippingUpload.objects.filter(payment=payment, settled_at=None).update(settled_at=Value(at))
    return True


def forget(payments: list[UUID]) -> int:
    """Somebody is erased: what was told of their parcels goes, and nothing more is told. Returns how many uploads."""
    mine = ShippingUpload.objects.filter(payment__in=payments)
    mine.exclude(state=State.SENT).update(state=State.FAILED, problem="erased", wants_correction=False)
    return mine.update(body=None, next_at=None)


def _payment(order: Order) -> Payment | None:
    """What the order was paid by, when WeChat wants to hear of its shipping."""
    if order.payment_status != Order.PaymentStatus.PAID:
        return None
    paid = order.payments.filter(state=Payment.State.PAID, provider=WECHAT_PAY).exclude(app_id="")
    found = paid.filter(channel__kind=Channel.Kind.MINI_PROGRAM).select_related("channel").first()
    return found if found and terms.of(found.channel).uploads_shipping else None

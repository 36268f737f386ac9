"""Money that goes back: asked for, decided, with the provider, done. Never more than was paid, never twice.

`requested` waits for somebody and reserves nothing; `processing` is with the provider, its amount set aside; `done`
has all its effects (`services/refunded.py`), `failed` none. What is decided here is carried out by
`orders/payments/refunding.py`: the intention is committed first, the provider called after.
"""

from datetime import datetime
from uuid import UUID

from django.utils.translation import gettext_lazy as _

from orders.models import Order, Payment, PaymentCase, Refund
from orders.rules import WECHAT_PAY
from orders.services import room
from orders.services.changing import change, is_forgotten
from orders.services.giving_back import case_meant
from orders.services.locks import lock_order
from orders.services.opening import WrongState
from orders.services.paying import TransactionKnown
from orders.services.placing import ExternalIdConflict, digest_of
from orders.services.refunded import drop, fail, finish, reserve
from orders.services.room import OverRefunded
from sync import clock
from sync.act import Actor, act
from sync.models import Channel

State = Refund.State
OFFLINE = "offline"
DECLINED, SUPERSEDED, CONTRADICTED = "declined", "superseded", "contradicted"  # problems of ours


class NotRefundable(WrongState):
    """The order was not paid, or the refund is past the point where this makes sense."""

    def __init__(self, why=None):
        Exception.__init__(self, why or _("The order is not paid"))


class RefundedByHub(Exception):
    """The hub took this money itself: nobody else gives it back."""

    def __init__(self):
        super().__init__(_("The hub gives this payment back itself: send null for what was executed"))


class RefundConflict(ExternalIdConflict):
    """The channel used this number for another refund."""

    def __init__(self, number: str):
        Exception.__init__(self, _("The channel's number already stands for another refund"))
        self.number = number


@act
def refund(
    *,
    order: UUID,
    items: list[dict],
    by: Actor,
    channel: Channel | None = None,
    external_id: str = "",
    shipping_fen: int = 0,
    reason: str = "",
    executed: dict | None = None,
) -> tuple[Refund, bool]:
    """Give money of an order back; returns the refund and whether it is new. The same again changes nothing.

    `items` are {line_id or external_line_id, quantity, amount_fen}; `executed` is {provider, transaction_id,
    refunded_at} of one that was done already. Without it the hub refunds through its provider: `processing`, for
    `payments.refunding.carry_out` to call; what was paid otherwise stays `requested` until somebody says that it was
    paid back. An open request for the same goods becomes this refund; requests that no longer fit fail. One that was
    done, of no goods and all the money of an open case of the channel's own, settles that case: it never was the
    order's money.

    Raises Order.DoesNotExist, NotRefundable, OverRefunded, UnknownLine, RefundConflict, RefundedByHub,
    TransactionKnown; then nothing was changed.
    """
    found = lock_order(order)
    wanted = room.wanted(found, items, shipping_fen)
    asked = {"order": str(found.pk), "reason": reason, "executed": executed} | wanted.as_said()
    digest = digest_of(channel or found.channel, asked)
    if known := _known(channel, external_id):
        if bytes(known.request_digest) != digest:
            raise RefundConflict(known.number)
        return known, False
    named = {"channel": channel, "external_id": external_id, "request_digest": digest, "decided_by": str(by)}
    reason = "" if is_forgotten(found) else reason
    if executed and (case := case_meant(found, wanted, executed["provider"])):
        made = Refund(case=case, asked_by=str(by), reason=reason or None, **named)
        _enter(made, wanted, case.payment)
        _decide(None, made, executed, by, is_new=True)
        return made, True
    payment = _payment_of(found, executed)
    meant, losing = room.take(found, wanted, is_executed=executed is not None)
    for each in losing:
        drop(found, each, SUPERSEDED)
    made = meant or Refund(order=found, asked_by=str(by))
    for name, value in named.items():
        setattr(made, name, value)
    made.reason = reason or made.reason
    found.open_refunds += 0 if meant else 1
    _enter(made, wanted, payment)
    _decide(found, made, executed, by, is_new=meant is None)
    return made, True


@act
def request_refund(*, order: UUID, items: list[dict], reason: str, by: Actor) -> Refund:
    """A member asks for money for goods; what they are worth is what was paid for them. Decided by staff or channel.

    `items` are {line_id, quantity}. Raises Order.DoesNotExist, UnknownLine, NotRefundable, OverRefunded when those
    goods are not there any more, or were asked for before.
    """
    found = lock_order(order)
    payment = _payment_of(found)
    wanted = room.worth_of(found, items)
    asked = Refund(order=found, asked_by=str(by), reason=reason or None)
    _enter(asked, wanted, payment)
    change(found, "order.refund_requested", by, open_refunds=found.open_refunds + 1)
    return asked


@act
def approve_refund(*, refund: UUID, by: Actor, amounts: dict | None = None, executed: dict | None = None) -> Refund:
    """Let a request be refunded: through the hub's provider, or as `executed` by hand where the hub cannot.

    `amounts` are other fen by order line, under "shipping" those of the shipping. Approving again changes nothing.
    Raises Refund.DoesNotExist, NotRefundable, OverRefunded, UnknownLine, RefundedByHub, TransactionKnown.
    """
    found, order = _locked(refund)
    if found.state in (State.PROCESSING, State.DONE):
        return found
    if found.state != State.REQUESTED:
        raise NotRefundable(_("This refund was decided before"))
    payment = _payment_of(order, executed)
    wanted = room.of(found).changed(amounts or {})
    if not room.fits(order, wanted, [other for each, other in room.standing(order) if each.pk != found.pk]):
        raise OverRefunded
    if wanted.amount_fen and not executed and not is_refundable(payment):
        raise NotRefundable(_("Say when and under which number this money was paid back"))
    found.decided_by = str(by)
    _enter(found, wanted, payment)
    _decide(order, found, executed, by, is_new=False)
    return found


@act
def decline_refund(*, refund: UUID, by: Actor) -> Refund:
    """Say no to a request. Again changes nothing. Raises Refund.DoesNotExist, NotRefundable when it is under way."""
    found, order = _locked(refund)
    if found.state == State.FAILED and found.problem == DECLINED:
        return found
    if found.state != State.REQUESTED:
        raise NotRefundable(_("This refund was decided before"))
    found.decided_by = str(by)
    fail(order, found, DECLINED, by)
    return found


@act
def refund_told(
    *,
    refund: UUID,
    state: str,
    by: Actor,
    transaction_id: str = "",
    refunded_at: datetime | None = None,
    problem: str = "",
) -> Refund:
    """The provider's word on a refund: `done`, `failed`, or `processing` with what is wrong (empty: nothing).

    What is settled stays settled: late, repeated and reordered words change nothing, but that a contradiction is kept
    as its problem. Raises Refund.DoesNotExist.
    """
    found, order = _locked(refund)
    if found.state == State.PROCESSING:
        if state == State.DONE:
            finish(order, found, transaction_id=transaction_id, refunded_at=refunded_at, by=by)
        elif state == State.FAILED:
            fail(order, found, problem, by)
        else:
            _note(found, problem, transaction_id or found.transaction_id)
    elif {found.state, state} == {State.DONE, State.FAILED} and not found.problem.startswith(CONTRADICTED):
        _note(found, f"{CONTRADICTED} {found.problem}"[:80].strip(), found.transaction_id)
    return found


def is_refundable(payment: Payment | None) -> bool:
    """Whether the hub can give this money back itself."""
    return payment is not None and payment.provider == WECHAT_PAY and payment.merchant_id is not None


def _known(channel: Channel | None, external_id: str) -> Refund | None:
    named = {"channel": channel, "external_id": external_id}
    return Refund.objects.prefetch_related("lines").filter(**named).first() if external_id else None


def _payment_of(order: Order, executed: dict | None = None) -> Payment | None:
    """What paid a paid order; None where there was nothing to pay. Raises NotRefundable, RefundedByHub.

    Money that a provider of the hub's took may come back otherwise, say in cash at the shop.
    """
    if order.payment_status != Order.PaymentStatus.PAID:
        raise NotRefundable
    payment = order.payments.filter(state=Payment.State.PAID).select_related("merchant").first()
    if executed and is_refundable(payment) and executed["provider"] == payment.provider:
        raise RefundedByHub
    return payment


def _locked(refund: UUID) -> tuple[Refund, Order | None]:
    """The refund and its order (None of a case's), both locked."""
    order_id, case_id = Refund.objects.values_list("order_id", "case_id").get(pk=refund)
    order = lock_order(order_id) if order_id else None
    if case_id:
        PaymentCase.objects.select_for_update(no_key=True).get(pk=case_id)
    rows = Refund.objects.select_for_update(no_key=True, of=["self"])
    return rows.select_related("payment", "merchant", "case").get(pk=refund), order


def _enter(refund: Refund, wanted: room.Wanted, payment: Payment | None) -> None:
    """Write down what goes back, as a request."""
    refund.state, refund.payment, refund.merchant = State.REQUESTED, payment, payment and payment.merchant
    refund.provider = payment.provider if payment else OFFLINE
    room.write(refund, wanted)


def _decide(order: Order | None, refund: Refund, executed: dict | None, by: Actor, *, is_new: bool) -> None:
    """Done, where it was done or nothing is to be paid; else with the provider, or waiting for whoever pays by hand."""
    if executed:
        named = {"provider": executed["provider"], "transaction_id": executed["transaction_id"]}
        if Refund.objects.filter(**named).exists():
            raise TransactionKnown
        refund.provider = executed["provider"]
        told = {"transaction_id": executed["transaction_id"], "refunded_at": executed["refunded_at"]}
        return finish(order, refund, by=by, **told)
    if is_refundable(refund.payment):
        reserve(order, refund, by)
    if refund.amount_fen > refund.deducted_fen:
        return _tell_open(order, by, is_new=is_new)
    return finish(order, refund, transaction_id="", refunded_at=clock.now(), by=by)


def _tell_open(order: Order, by: Actor, *, is_new: bool) -> None:
    """The order is being refunded; one that was so before looks as it did."""
    counted = {"open_refunds": order.open_refunds, "refunding_fen": order.refunding_fen}
    if is_new:
        return change(order, "order.refund_requested", by, **counted)
    return order.save(update_fields=list(counted))


def _note(refund: Refund, problem: str, transaction_id: str) -> None:
    if (refund.problem, refund.transaction_id) != (problem, transaction_id):
        refund.problem, refund.transaction_id = problem, transaction_id
        refund.save(update_fields=["problem", "transaction_id"])

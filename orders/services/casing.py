"""Money that does not fit its order: kept once per provider's number, with what is proposed, until it is decided.

Decided by a person, or by itself where the channel's terms say so; given back at most once. A case of no order of ours
is never decided by itself: another shop may share the merchant, and the money may be its own.
"""

from uuid import UUID

from django.utils.translation import gettext_lazy as _

from orders import terms
from orders.models import Order, OrderTerms, Payment, PaymentCase, Refund
from orders.rules import WECHAT_PAY
from orders.services import giving_back
from orders.services.locks import lock_order
from orders.services.news import paid_as, subject_of
from orders.services.opening import LIVE
from orders.services.settling import settle
from sync import alerts, inbox
from sync.act import SYSTEM, Actor, act
from sync.clock import Clock
from sync.models import Event

Kind, Action = PaymentCase.Kind, PaymentCase.Action


class CaseClosed(Exception):
    """The case was decided otherwise."""

    def __init__(self):
        super().__init__(_("This payment case is decided already"))


class NotPossible(Exception):
    """The money cannot be used this way."""

    def __init__(self, why):
        super().__init__(why)


@act
def open_case(kind: PaymentCase.Kind, *, provider: str, transaction_id: str, by: Actor, **known) -> PaymentCase:
    """Keep money that does not fit, once per provider's number, with what is proposed; done at once where the terms
    of the order's channel say so. The order of the case, if any, is locked."""
    case = PaymentCase(kind=kind, provider=provider, transaction_id=transaction_id, **known)
    case.proposed = proposal(case)
    PaymentCase.objects.bulk_create([case], ignore_conflicts=True)
    kept = PaymentCase.objects.get(provider=provider, transaction_id=transaction_id)
    if kept.pk != case.pk:
        return kept
    if case.payment and case.payment.state in LIVE:  # what was paid once is not paid again
        Payment.objects.filter(pk=case.payment.pk).update(state=Payment.State.CLOSED)
        case.payment.state = Payment.State.CLOSED
    if case.order and case.merchant is None:
        inbox.wake(paid_as(case.order.channel.code, case.order.external_id))  # it may have been given back already
    return _carry_out(case, case.order, case.proposed, by) if _is_automatic(case) else case


@act
def decide_case(*, case: UUID, action: str, by: Actor) -> PaymentCase:
    """Give the money back, take it for its order, or leave it. Deciding the same again changes nothing, but a refund
    that failed is tried anew.

    Raises PaymentCase.DoesNotExist, CaseClosed when it was decided otherwise, NotPossible.
    """
    order_id = PaymentCase.objects.values_list("order_id", flat=True).get(pk=case)
    order = lock_order(order_id) if order_id else None
    rows = PaymentCase.objects.select_for_update(no_key=True, of=["self"])
    found = rows.select_related("payment", "merchant", "channel").get(pk=case)
    if found.action and found.action != action:
        raise CaseClosed
    if found.action != Action.REFUND and found.action:
        return found
    if found.refunds.exclude(state=Refund.State.FAILED).exists():
        return found
    return _carry_out(found, order, Action(action), by)


@act
def settle_if_it_fits(order: Order, by: Actor) -> bool:
    """Settle an order by money that came for what it costs now, before it cost that; a closed one by the channel's own,
    as if that came now. Its locks are held."""
    if order.payment_status == Order.PaymentStatus.PAID:
        return False
    fitting = order.cases.filter(kind=Kind.WRONG_AMOUNT, resolved_at=None, amount_fen=order.total_fen)
    case = fitting.select_for_update(no_key=True, of=["self"]).select_related("payment").order_by("created_at").first()
    if case is None:
        return False
    case.order = order
    if order.payment_status == Order.PaymentStatus.CLOSED and (case.provider == WECHAT_PAY or not _may_reopen(case)):
        return False
    _carry_out(case, order, Action.REOPEN, by)
    return True


def proposal(case: PaymentCase) -> PaymentCase.Action:
    """What should become of the money: give back what the hub can give back, reopen where nothing stands against it."""
    if case.kind == Kind.AFTER_CLOSE and _may_reopen(case):
        return Action.REOPEN
    return Action.REFUND if is_refundable(case) else Action.NONE


def is_refundable(case: PaymentCase) -> bool:
    """Whether the hub can give this money back; what a channel took itself, only the channel can."""
    return case.provider == WECHAT_PAY and case.amount_fen > 0 and case.merchant_id is not None


def refusal(case: PaymentCase, order: Order | None, action: PaymentCase.Action) -> str:
    """Why this cannot be done with the money of an open case of this order; empty where it can."""
    if action == Action.REFUND and not is_refundable(case):
        return _("The hub cannot give this money back: whoever took it has to")
    if action == Action.REOPEN and (order is None or order.payment_status == Order.PaymentStatus.PAID):
        return _("There is no unpaid order for this money")
    if action == Action.REOPEN and case.amount_fen != order.total_fen:
        return _("The money is not what the order costs")
    return ""


def watch() -> int:
    """Push how many cases wait for a decision, for alerts (`payment_cases.open`). Returns it."""
    found = PaymentCase.objects.filter(resolved_at=None).count()
    alerts.measure("payment_cases.open", found)
    return found


def _may_reopen(case: PaymentCase) -> bool:
    """No points that went back, the very amount, and nobody who meant the order to be closed, but for the channel
    that tells of the money itself."""
    order = case.order
    if order.points_redeemed or case.amount_fen != order.total_fen:
        return False
    return case.provider != WECHAT_PAY or not _was_meant_to_close(order)


def _was_meant_to_close(order: Order) -> bool:
    """Whether somebody cancelled it: not the clock."""
    closings = Event.objects.filter(subject=subject_of(order), type="order.cancelled", data__number=order.number)
    return closings.exclude(actor=str(SYSTEM)).exists()


def _is_automatic(case: PaymentCase) -> bool:
    if case.order is None or case.proposed == Action.NONE:
        return False
    return case.provider != WECHAT_PAY or terms.of(case.order.channel).misfits == OrderTerms.Misfit.AUTOMATIC


def _carry_out(case: PaymentCase, order: Order | None, action: PaymentCase.Action, by: Actor) -> PaymentCase:
    """Write down what is done, and do it. The locks are held. Raises NotPossible: then the act has to fail."""
    case.action, case.resolved_at, case.resolved_by = action, Clock(), str(by)
    case.save(update_fields=["action", "resolved_at", "resolved_by"])
    case.refresh_from_db(fields=["resolved_at"])
    if action == Action.REOPEN:
        _take_for(order, case, by)
    elif action == Action.REFUND:
        _give_back(case, by)
    return case


def _give_back(case: PaymentCase, by: Actor) -> None:
    if why := refusal(case, None, Action.REFUND):
        raise NotPossible(why)
    giving_back.refund_case(case=case.pk, by=by)


def _take_for(order: Order | None, case: PaymentCase, by: Actor) -> None:
    """The order is paid by this money, whether it was closed or cost something else."""
    if why := refusal(case, order, Action.REOPEN):
        raise NotPossible(why)
    payment = case.payment
    if payment is None or payment.state == Payment.State.PAID:
        payment = Payment(order=order, provider=case.provider, merchant=case.merchant, channel=case.channel)
    payment.state, payment.amount_fen = Payment.State.PAID, case.amount_fen
    payment.transaction_id, payment.paid_at = case.transaction_id, case.paid_at
    payment.save()
    case.payment = payment
    case.save(update_fields=["payment"])
    settle(order, paid_fen=payment.amount_fen, paid_at=payment.paid_at, by=by)

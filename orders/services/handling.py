"""What people of the staff do to orders by hand: the owner's act and the reason for it, in one act, once.

A page carries what its reader saw (`seen`: the order's version) and an id of its own (`id`): an order that changed
meanwhile is not touched, and the same page sent twice does it once.
"""

from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from django.utils.translation import gettext_lazy as _

from orders.models import Intervention, Order, PaymentCase
from orders.services.locks import lock_order
from orders.services.placing import place
from sync.act import Actor, act

LONGEST_REASON = 200


class Stale(Exception):
    """The order is not what the person saw any more; nothing was changed."""

    def __init__(self):
        super().__init__(_("This order has changed meanwhile: nothing was done. Look at it anew."))


class NoReason(Exception):
    """Manual work needs a reason."""

    def __init__(self):
        super().__init__(_("Say why"))


@dataclass(frozen=True)
class Hand:
    """Who does something by hand, why, on which version of the order; `id` names this very request."""

    id: UUID
    by: Actor
    reason: str
    seen: int | None = None


@act
def by_hand(*, order: UUID, kind: str, hand: Hand, do: Callable[[], object]) -> object:
    """Let `do` (an act of its own) change an order, and keep who did it and why; the same request again does nothing.

    Returns what `do` gives, None when it was done before. Raises NoReason, Stale, Order.DoesNotExist and whatever `do`
    raises; then nothing was changed.
    """
    held = lock_order(order)
    if was_done(hand):
        return None
    require(hand, held)
    done = do()
    keep(hand, kind, order=held)
    return done


@act
def decide_by_hand(*, case: UUID, hand: Hand, do: Callable[[], object]) -> object:
    """The same for money without an order. Raises NoReason, PaymentCase.DoesNotExist and whatever `do` raises."""
    held = PaymentCase.objects.select_for_update(no_key=True, of=["self"]).get(pk=case)
    if was_done(hand):
        return None
    require(hand)
    done = do()
    keep(hand, Intervention.Kind.CASE, case=held)
    return done


@act
def enter(*, hand: Hand, **asked) -> tuple[Order, bool]:
    """Place an order by hand, by the rules of POST orders, and keep who entered it and why. Sent twice it is one order.

    `asked` is what `place` takes. Raises NoReason and what `place` raises.
    """
    require(hand)
    if asked.get("external_id") in {None, ""}:
        asked["external_id"] = f"hand-{hand.id.hex}"
    order, is_new = place(by=hand.by, **asked)
    if is_new:
        keep(hand, Intervention.Kind.ENTERED, order=order)
    return order, is_new


def was_done(hand: Hand) -> bool:
    """Whether this very request was done before. The order's lock is held."""
    return Intervention.objects.filter(pk=hand.id).exists()


def require(hand: Hand, order: Order | None = None) -> None:
    """Raise NoReason without a reason, Stale when the order is not what was seen."""
    if not hand.reason.strip():
        raise NoReason
    if order and hand.seen is not None and order.version != hand.seen:
        raise Stale


def keep(hand: Hand, kind: str, *, order: Order | None = None, case: PaymentCase | None = None) -> Intervention:
    """Write down what was done by hand, by whom and why. The reason holds no personal data: people are told so."""
    reason = hand.reason.strip()[:LONGEST_REASON]
    return Intervention.objects.create(id=hand.id, order=order, case=case, kind=kind, reason=reason, by=str(hand.by))

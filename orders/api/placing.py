"""POST orders and PATCH of one, as they are asked for and as facts that are pushed: one road."""

import re
from contextlib import contextmanager
from datetime import datetime
from uuid import UUID

from django.utils.translation import gettext_lazy as _

from loyalty.api import shapes as points
from members.models import Member
from orders import buyers, services
from orders.api import refusing
from orders.api.history_shapes import past_of
from orders.models import Order
from orders.payments import editing
from orders.rules import WECHAT_PAY
from orders.services.history import Contradiction, place_history
from orders.services.lines import NoSuchLine
from orders.services.placing import Redeeming
from orders.services.redeeming import NoMember, TooManyPoints
from sync.act import Actor
from sync.http import Problem
from sync.models import Channel

VERIFIED_HERE = {"wechatpay"}


def place_as_asked(
    channel: Channel, asked: dict, *, by: Actor, occurred_at: datetime | None = None, holder: Member | None = None
) -> tuple[Order, bool]:
    """Place what a validated PlaceAnyIn asks for; `occurred_at` counts where it names no time. Refusals are problems.

    `holder` is whose code was shown as the proof that the member is there.
    """
    member, proof = buyers.buyer(channel, asked), asked.pop("proof", None)
    wanted = {name: asked[name] for name in ("external_id", "items", "shipping_fen", "discounts")} | {
        "channel": channel,
        "member": member,
        "is_by_phone": buyers.is_by_phone(asked),
        "address": asked.get("address"),
        "contact": buyers.contact(asked),
        "buyer_note": asked["buyer_note"] or "",
        "placed_at": asked.get("placed_at") or occurred_at,
        "total_fen": asked.get("total_fen"),
        "digest": services.digest_of(channel, asked),
        "by": by,
    }
    with refusals(), points.refusals():
        if asked["history"]:
            return place_history(past=_past(asked), **wanted)
        shown = is_shown(member, holder) if proof else None
        return services.place(redeeming=Redeeming(asked["points_to_redeem"], shown), **wanted)


def _past(asked: dict) -> dict:
    """How an order from before ended. What WeChat Pay moved then is told under its own name, so that it counts once;
    it has no merchant: the hub neither asks about it nor gives it back.

    Raises Problem `forbidden` for that money under any other name.
    """
    past = past_of(asked)
    for told in (*past["payments"], *(refund["executed"] for refund in past["refunds"])):
        if told["provider"] != WECHAT_PAY:
            refuse_verified(told["provider"])
    return past


def refuse_verified(provider: str) -> None:
    """No channel speaks for a provider that tells the hub itself; raises Problem `forbidden`."""
    if re.sub("[_-]", "", provider) in VERIFIED_HERE:
        raise Problem("forbidden", _("The hub hears of these payments from the provider itself"))


def edit_as_asked(order: Order, asked: dict, **known) -> None:
    """Edit as a validated EditIn asks for. Refusals are problems. Never in an act."""
    with refusals():
        editing.edit(order=order.pk, changes=asked, **known)


def is_shown(member: UUID | None, holder: Member | None) -> bool:
    """Whether the code that was shown is the member's."""
    return holder is not None and holder.pk == member


@contextmanager
def refusals():
    """What placing and editing refuse, in the words of the contract."""
    try:
        with refusing.refusals():
            yield
    except services.AmountMismatch as error:
        raise Problem("amount_mismatch", error, expected_total_fen=error.total_fen) from error
    except (TooManyPoints, NoMember) as error:
        raise Problem.field("points_to_redeem", error) from error
    except services.ExternalIdConflict as error:
        raise Problem("external_id_conflict", error) from error
    except services.BuyerFrozen as error:
        raise Problem("member_frozen", error) from error
    except Contradiction as error:
        raise Problem.field(error.field, error) from error
    except services.TransactionKnown as error:
        raise Problem("reference_conflict", error) from error
    except NoSuchLine as error:
        raise Problem.field("items", error) from error

"""What manual work would do, told in sentences before anybody does it. Where it cannot be done, why not (`Refused`)."""

from django.utils.translation import gettext as _

from orders import queries
from orders.admin.columns import provider
from orders.models import Carrier, Order, PaymentCase
from orders.services import casing, reassigning, room
from orders.shipping import carriers
from sync.admin.shown import moment, yuan


class Refused(Exception):
    """This cannot be done; the message says why."""


def ship(form) -> list[str]:
    given = form.cleaned_data
    known = carriers.find(given["carrier"])
    who = known.name if known else given["carrier"]
    number = given["tracking_number"] or _("no waybill")
    said = [_("A parcel goes out: %(carrier)s, %(number)s.") % {"carrier": who, "number": number}]
    said.append(_("In it: %(goods)s.") % {"goods": _goods(form, form.chosen())})
    if form.items() is None:
        said.append(_("Everything is on its way then; the buyer sees it at once, on every channel."))
    else:
        said.append(_("The rest stays to be shipped."))
    if known is None:
        said.append(_("The hub does not know this carrier: nobody follows the parcel."))
    elif known.kind == Carrier.Kind.EXPRESS:
        said.append(_("The parcel is followed, and the buyer is sent a message if they accepted one."))
    return said


def waybill(form) -> list[str]:
    old = f"{queries.carrier_name(form.of)} {form.of.tracking_number}"
    new = f"{form.cleaned_data['carrier']} {form.cleaned_data['tracking_number']}"
    said = [_("The parcel %(old)s becomes %(new)s.") % {"old": old.strip(), "new": new.strip()}]
    return [*said, _("What the carrier told of the old number goes; the new one is followed from now on.")]


def withdraw(form) -> list[str]:
    goods = " · ".join(f"{each.line.name} × {each.quantity}" for each in form.of.lines.select_related("line"))
    said = [_("The parcel %(number)s is not shown any more.") % {"number": form.of.tracking_number or form.of.carrier}]
    return [*said, _("To be shipped again: %(goods)s.") % {"goods": goods}]


def address(form) -> list[str]:
    given = form.cleaned_data
    place = "".join(given[name] for name in ("province", "city", "district", "street"))
    told = {"receiver": given["receiver"], "phone": given["phone"], "place": place}
    return [
        _("It goes to %(receiver)s, %(phone)s, %(place)s.") % told,
        _("The channel reads the new address the next time it asks; what has left already is not stopped."),
    ]


def pay(form) -> list[str]:
    order = form.order
    told = {"sum": yuan(order.total_fen), "number": form.cleaned_data["transaction_id"]}
    said = [_("%(sum)s count as paid, under the number %(number)s.") % told]
    if order.member_id:
        said.append(_("The member earns their points, and points that were to pay for it are spent."))
    if order.payments.filter(state__in=["opening", "open"]).exists():
        said.append(_("The payment that is open at WeChat Pay is closed there first."))
    return [*said, _("This cannot be undone: money goes back only by a refund.")]


def cancel(form) -> list[str]:
    order = form.order
    said = [_("Nobody can pay it any more.")]
    if order.payments.filter(state__in=["opening", "open"]).exists():
        said.append(_("WeChat Pay is asked first: if the money is there after all, the order is paid instead."))
    if order.hold_id:
        told = {"points": f"{order.points_redeemed:,}"}
        said.append(_("%(points)s points that were set aside go back to the member.") % told)
    return said


def reassign(form) -> list[str]:
    order, to = form.order, form.cleaned_data["member"]
    if problem := reassigning.refusal(order, to):
        raise Refused(problem)
    told = {"to": to.number, "name": to.nickname, "from": order.member.number if order.member else _("a guest")}
    said = [_("The order goes from %(from)s to %(to)s %(name)s.") % told]
    if order.payment_status == Order.PaymentStatus.PAID and not order.is_history:
        if order.member:
            said.append(
                _("%(points)s points are taken back from the former member; what is spent already is owed.")
                % {"points": f"{order.points_earned:,}"}
            )
        said.append(_("The new member earns by it anew, by the rules of the day it was paid."))
    return [*said, _("Both see the change on all channels at once.")]


def refund(form) -> list[str]:
    said = _given_back(form)
    meant, losing = room.take(form.order, form.wanted(), is_executed=not form.is_by_hub)
    if meant:
        said.append(_("The open request %(number)s becomes this refund.") % {"number": meant.number})
    for each in losing:
        said.append(_("The request %(number)s no longer fits and ends.") % {"number": each.number})
    return said


def approve(form) -> list[str]:
    said = _given_back(form)
    if form.amount() != form.of.amount_fen:
        told = {"asked": yuan(form.of.amount_fen), "sum": yuan(form.amount())}
        said.insert(0, _("Asked for were %(asked)s; you give %(sum)s.") % told)
    return said


def _given_back(form) -> list[str]:
    order, amount = form.order, form.amount()
    left = max(0, room.money_left(order, form.beside))
    if amount > left:
        raise Refused(_("At most %(sum)s can go back") % {"sum": yuan(left)})
    if not room.fits(order, form.wanted(), form.beside):
        raise room.OverRefunded
    said = [_money(form, amount)]
    if goods := _goods(form, [each for each in form.chosen() if each["quantity"]]):
        said.append(_("Goods that come back: %(goods)s.") % {"goods": goods})
    if order.points_earned:
        said.append(_("Points earned by it are taken back in proportion."))
    if order.points_redeemed:
        said.append(_("Points that paid for it go back in proportion."))
    return said


def decline(form) -> list[str]:
    told = {"number": form.of.number, "sum": yuan(form.of.amount_fen)}
    return [_("The request %(number)s over %(sum)s is declined; the member may ask again.") % told]


def decide(form) -> list[str]:
    case, action = form.of, form.cleaned_data["action"]
    if why := casing.refusal(case, form.order, action):
        raise Refused(why)
    told = {"sum": yuan(case.amount_fen), "provider": provider(case.provider)}
    match action:
        case PaymentCase.Action.REFUND:
            return [_("%(sum)s go back to the payer through %(provider)s, once.") % told]
        case PaymentCase.Action.REOPEN:
            return [
                _("%(sum)s are taken for the order: it counts as paid and goes on to be shipped.") % told,
                _("The member earns their points."),
            ]
    return [_("Nothing moves. Somebody has seen to these %(sum)s elsewhere: say where in the reason.") % told]


def correct(form) -> list[str]:
    return [
        _("WeChat is told anew what is in the parcels of this payment now."),
        _("This is the one correction that WeChat allows."),
    ]


def resend(form) -> list[str]:
    return [_("WeChat is told of the shipping again.")]


def _goods(form, chosen: list[dict]) -> str:
    names = {line.pk: line.name for line, *_rest in form.by_line}
    return " · ".join(f"{names[each['line_id']]} × {each['quantity']}" for each in chosen)


def _money(form, amount: int) -> str:
    told = {"sum": yuan(amount)}
    if form.is_by_hub:
        return _("%(sum)s go back through WeChat Pay, to where they came from.") % told
    told |= {"number": form.cleaned_data["transaction_id"], "at": moment(form.cleaned_data["refunded_at"])[:16]}
    return _("%(sum)s count as paid back, under the number %(number)s, at %(at)s. The hub moves no money.") % told

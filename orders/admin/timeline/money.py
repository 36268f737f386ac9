"""Money: payments and what providers said of them, what did not fit, what went back."""

from collections.abc import Iterator

from django.utils.translation import gettext as _

from orders.admin import acts
from orders.admin.columns import provider
from orders.admin.timeline.entry import Entry, Story, joined, page_of
from orders.models import Payment, PaymentCase, Refund
from orders.payments import refusals
from sync.admin.shown import BAD, BUSY, GOOD, yuan

METHODS = {"wechat_jsapi": "JSAPI", "wechat_native": "Native", "wechat_h5": "H5"}


def payments(story: Story) -> Iterator[Entry]:
    """Opened, asked about, paid or closed."""
    for each in story.payments:
        told = {"sum": yuan(each.amount_fen), "provider": provider(each.provider)}
        how = joined([METHODS.get(each.method, each.method), each.channel and each.channel.name])
        url = page_of(each)
        if each.provider == "wechat_pay":
            words = _("Payment of %(sum)s opened at %(provider)s") % told
            yield Entry(each.created_at, "money", words, more=[how], url=url)
        if each.asked_at:
            is_paid = each.state == Payment.State.PAID
            yield Entry(each.asked_at, "money", _asked(each, is_paid), url=url, tone=GOOD if is_paid else BUSY)
        if each.paid_at:
            words = _("%(sum)s paid by %(provider)s") % told
            more = [joined([how, each.transaction_id])]
            yield Entry(each.paid_at, "money", words, more=more, url=url, tone=GOOD)


def cases(story: Story) -> Iterator[Entry]:
    """Money that did not fit, and what was decided."""
    for each in story.newest(story.order.cases.all()):
        told = {"sum": yuan(each.amount_fen), "kind": each.get_kind_display(), "provider": provider(each.provider)}
        words = _("%(sum)s came by %(provider)s that do not fit: %(kind)s") % told
        proposed = _("Proposed: %(action)s") % {"action": each.get_proposed_display()}
        ways = acts.ways_of(story.request, story.order, case=each)
        more = [joined([each.transaction_id, "" if each.resolved_at else proposed])]
        yield Entry(each.created_at, "money", words, more=more, url=page_of(each), tone=BAD, ways=ways)
        if each.resolved_at:
            yield _resolved(each, told)


def _resolved(case: PaymentCase, told: dict) -> Entry:
    words = _("Decided on the %(sum)s: %(action)s") % {"sum": told["sum"], "action": case.get_action_display()}
    return Entry(case.resolved_at, "money", words, by=case.resolved_by, url=page_of(case), tone=GOOD, rank=1)


def refunds(story: Story) -> Iterator[Entry]:
    """Asked for, with the provider, done or failed."""
    for each in story.refunds:
        goods = joined(f"{it.line.name} × {it.quantity}" for it in each.lines.all() if it.quantity)
        told = {"number": each.number, "sum": yuan(each.amount_fen)}
        words = _("Refund %(number)s of %(sum)s asked for") % told
        ways = acts.ways_of(story.request, story.order, refund=each)
        url = page_of(each)
        wrong = refusals.in_words(each.problem)
        tone = BAD if wrong else BUSY
        yield Entry(each.created_at, "money", words, each.asked_by, tone, [goods, wrong], url, ways=ways)
        yield from _outcome(each, told, url)


def _outcome(refund: Refund, told: dict, url: str) -> Iterator[Entry]:
    if refund.state == Refund.State.DONE:
        words = _("Refund %(number)s: %(sum)s went back") % told
        points = refund.points_reversed and _("%s points taken back") % f"{refund.points_reversed:,}"
        returned = refund.points_returned and _("%s used points given back") % f"{refund.points_returned:,}"
        kept = refund.deducted_fen and _("%s kept for spent points") % yuan(refund.deducted_fen)
        more = [joined([provider(refund.provider), refund.transaction_id]), joined([points, returned, kept])]
        yield Entry(refund.refunded_at, "money", words, refund.decided_by, GOOD, more, url, rank=1)


def _asked(payment: Payment, is_paid: bool) -> str:
    told = {"provider": provider(payment.provider), "count": payment.asks}
    if is_paid:
        return _("%(provider)s was asked about it, %(count)s times: it is paid") % told
    return _("%(provider)s was asked about it, %(count)s times so far: not paid yet") % told

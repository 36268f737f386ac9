"""What was told: facts and how they reached the channels, messages to the member, what providers and channels sent."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from uuid import UUID

from django.contrib import admin
from django.db.models import Count, Q, QuerySet
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from pghistory.core import event_models

from members.models import MemberNotice
from orders.admin.timeline.entry import Entry, Story, joined, page_of
from orders.models import Order
from orders.payments import wechat_pay
from sync import events
from sync.admin import tracing
from sync.admin.shown import BAD, BUSY, GOOD
from sync.http.problems import CODES
from sync.models import Delivery, Event, InboxMessage

NOTICED = {
    "sent": gettext_lazy("it was sent"),
    "failed": gettext_lazy("it failed"),
    "waiting": gettext_lazy("it waits"),
}
FACTS = {
    "order.placed": gettext_lazy("Order placed"),
    "order.updated": gettext_lazy("Order changed"),
    "order.paid": gettext_lazy("Order paid"),
    "order.cancelled": gettext_lazy("Order closed"),
    "order.shipped": gettext_lazy("Order shipped"),
    "order.tracking_updated": gettext_lazy("News of the carrier"),
    "order.delivered": gettext_lazy("Order signed for"),
    "order.completed": gettext_lazy("Order completed"),
    "order.refund_requested": gettext_lazy("Refund asked for"),
    "order.refunded": gettext_lazy("Order refunded"),
    "order.claimed": gettext_lazy("Guest order claimed by a member"),
}
TYPES = FACTS | {
    "wechat_pay.TRANSACTION.SUCCESS": gettext_lazy("Payment received"),
    "wechat_pay.REFUND.SUCCESS": gettext_lazy("Refund done"),
    "wechat_pay.REFUND.ABNORMAL": gettext_lazy("Refund failed at the payer's bank"),
    "wechat_pay.REFUND.CLOSED": gettext_lazy("Refund closed"),
}
READ = "orders.read_provider_messages"
STEPS = {name: place for place, name in enumerate(("order.placed", "order.paid", "order.shipped"))}


def streams(order: Order) -> list[str]:
    """The streams that ever told of an order: its own, and those of the members whose it was."""
    (history,) = event_models(tracks_model=Order)
    owners = history.objects.filter(pgh_obj=order.pk).order_by().values_list("member", flat=True).distinct()
    return [events.of_order(order.number), *(events.of_member(each) for each in {*owners, order.member_id} - {None})]


def facts(story: Story) -> Iterator[Entry]:
    """Events of the order, each with what became of telling it, in short."""
    order = story.order
    rows = Event.objects.filter(subject__in=streams(order), type__startswith="order.", data__number=order.number)
    told = rows.filter(time__gte=order.created_at).values(
        *("id", "subject", "type", "time", "actor", "sequence", "data__version", "data__status")
    )
    found = story.newest(told, "-time", "-sequence")
    reached = _deliveries(story, [each["id"] for each in found])
    for each in found:
        version = _("Version %(version)s") % {"version": each["data__version"]}
        more = [joined([version, *reached.get(each["id"], ())])]
        tone = BAD if any(_("was not reached") in text for text in reached.get(each["id"], ())) else "quiet"
        url = tracing.page_of(each["id"])
        rank = STEPS.get(each["type"], 4)
        words = FACTS.get(each["type"], each["type"])
        yield Entry(each["time"], "order", words, each["actor"], tone, more, url, rank=rank)


def _deliveries(story: Story, ids: list[UUID]) -> dict[UUID, list[str]]:
    """What became of telling each event to channels that the reader holds, by channel."""
    if not ids or not story.may("sync.view_delivery"):
        return {}
    held = admin.site._registry[Delivery].get_queryset(story.request)
    rows = held.filter(event__in=ids).values("event", "endpoint__channel__name", "state")
    found: dict[UUID, Counter] = defaultdict(Counter)
    for each in rows.annotate(count=Count("pk")).order_by():
        found[each["event"]][each["endpoint__channel__name"], each["state"]] += each["count"]
    words = {"delivered": _("has it"), "waiting": _("is being told"), "dead": _("was not reached")}
    return {
        event: [f"{channel} {words[state]}" for (channel, state), _count in sorted(counts.items())]
        for event, counts in found.items()
    }


def notices(story: Story) -> Iterator[Entry]:
    """Messages in WeChat to the member about it."""
    if not story.order.member_id:
        return
    number, named = story.order.number, [f"shipment/{each.pk}" for each in story.shipments]
    named += [f"refund/{known}" for each in story.refunds for known in (each.pk, each.number)]
    about = Q(reference__contains=number) | Q(reference__in=named)
    rows = MemberNotice.objects.filter(about, member=story.order.member_id).select_related("template")
    for each in story.newest(rows):
        title = each.template.title if each.template else _("text message")
        told = {"title": title, "state": NOTICED[each.state]}
        words = _("Message to the member “%(title)s”: %(state)s") % told
        tone = {"sent": GOOD, "failed": BAD}.get(each.state, BUSY)
        at = each.sent_at or each.created_at
        yield Entry(at, "traffic", words, "", tone, [each.problem], page_of(each), rank=6)


def messages(story: Story) -> Iterator[Entry]:
    """What providers and channels sent about it; to be opened by those who may, which is written down."""
    may_read = story.may(READ)
    for each in story.newest(sent(story).defer("body")):
        told = {
            "type": TYPES.get(each.type, each.type),
            "sender": _sender(each.sender),
            "state": each.get_state_display(),
        }
        words = _("%(sender)s sent “%(type)s”: %(state)s") % told
        tone = {"applied": GOOD, "quarantined": BAD}.get(each.state, BUSY)
        ways = [{"title": _("Read it"), "url": reading(story.order, each.pk)}] if may_read else []
        yield Entry(
            each.received_at, "traffic", words, "", tone, [_problem(each.problem)], page_of(each), -1, ways=ways
        )


def _problem(problem: str) -> object:
    """Why it was not applied, in words where there are some."""
    code, _colon, rest = problem.partition(":")
    return joined([CODES[code][1], rest.strip()]) if code in CODES else problem


def reading(order: Order, message: UUID) -> str:
    """Where a message is read."""
    return reverse("admin:orders_order_message", args=[order.pk, message])


def sent(story: Story) -> QuerySet[InboxMessage]:
    """What providers and the order's own channel sent about it: other channels use the same numbers for their own, and
    what a channel calls its order may read like a provider's word."""
    order = story.order
    called = [order.number, order.external_id, f"{order.channel.code}/{order.external_id}"]
    by_channel = Q(sender=f"channels/{order.channel.code}", subject__in=[*called[:2], *(f"order/{x}" for x in called)])
    known = [f"wechat_pay/{wechat_pay.out_trade_no(each.pk)}" for each in story.payments]
    known += [f"kuaidi100/{each.pk}" for each in story.shipments]
    return InboxMessage.objects.filter(by_channel | ~Q(sender__startswith="channels/") & Q(subject__in=known))


def _sender(sender: str) -> str:
    kind, _slash, key = sender.partition("/")
    names = {"wechat-pay": _("WeChat Pay"), "kuaidi100": "快递100", "wechat": _("WeChat")}
    return names.get(kind, key or sender)

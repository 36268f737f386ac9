"""Points: held, spent, earned, taken back, given back."""

from collections.abc import Iterator

from django.db.models import Q

from loyalty.admin import sentences
from loyalty.models import Entry as PointsEntry
from loyalty.models import Purchase, PurchaseRefund
from orders.admin.timeline.entry import Entry, Story, joined, page_of
from orders.models import Order
from sync.admin.shown import BAD, GOOD

TONES = {"earned": GOOD, "reversed": BAD}


def entries_of(order: Order) -> Q:
    """The entries that an order, its refunds and the points it was paid with made."""
    purchases = Purchase.objects.filter(Q(order_number=order.number) | Q(order_number__startswith=f"{order.number}~"))
    back = PurchaseRefund.objects.filter(purchase__in=purchases).values("entry")
    own = Q(purchase__in=purchases) | Q(pk__in=back)
    if order.hold_id:
        own |= Q(pk=order.hold_id) | Q(follows=order.hold_id) | Q(reverses__follows=order.hold_id)
    return own


def entries(story: Story) -> Iterator[Entry]:
    """In the words in which staff read them to a member."""
    rows = PointsEntry.objects.filter(entries_of(story.order)).select_related("follows", "reverses", "account__member")
    for each in story.newest(rows):
        words, *more = sentences.of(each)
        owner = each.account.member
        whose = "" if owner.pk == story.order.member_id else owner.number
        tone = TONES.get(each.kind, "quiet")
        yield Entry(each.created_at, "points", words, "", tone, [joined([whose, *more])], page_of(each), rank=3)

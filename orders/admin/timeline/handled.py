"""What people did by hand and why, what came too late, who was shown what."""

from collections.abc import Iterator

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from orders.admin.timeline.entry import Entry, Story, joined, page_of
from orders.admin.timeline.traffic import FACTS
from orders.models import Disclosure
from sync.admin.shown import BAD, BUSY, moment

WHY = {
    "paid": gettext_lazy("The order was paid already"),
    "shipped": gettext_lazy("The goods had left already"),
    "erased": gettext_lazy("This member's account has been erased"),
    "said later": gettext_lazy("Its source had said otherwise since"),
}


def by_hand(story: Story) -> Iterator[Entry]:
    """Manual work with its reasons."""
    for each in story.newest(story.order.interventions.all()):
        more = [_("Reason: %(reason)s") % {"reason": each.reason}]
        yield Entry(each.at, "hand", each.get_kind_display(), each.by, BUSY, more, page_of(each), rank=5)


def late(story: Story) -> Iterator[Entry]:
    """Facts that changed nothing any more."""
    for each in story.newest(story.order.superseded.all()):
        words = _("Came too late and changed nothing: %(fact)s") % {"fact": FACTS.get(each.type, each.type)}
        why, at = WHY.get(each.reason, each.reason), _("Happened at %(at)s") % {"at": moment(each.occurred_at)}
        more = [joined([why, at])]
        yield Entry(each.at, "order", words, each.by, "quiet", more, page_of(each))


def shown_to(story: Story) -> Iterator[Entry]:
    """Who was shown the recipient, or what a provider sent, in clear."""
    for each in story.newest(story.order.disclosures.all()):
        is_message = each.what == Disclosure.What.MESSAGE
        words = _("Was shown what a provider sent") if is_message else _("Was shown the recipient in clear")
        more = [_("Reason: %(reason)s") % {"reason": each.reason}] if each.reason else []
        yield Entry(each.at, "hand", words, each.actor, BAD, more, page_of(each))

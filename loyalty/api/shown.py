"""What goes out about points, as the contract documents it."""

from rest_framework import serializers

from loyalty.models import Entry, Hold, Programme, TierChange
from loyalty.told import TOLD_AS
from sync.http.described import PageOut, ProblemOut

whole, text, time = serializers.IntegerField, serializers.CharField, serializers.DateTimeField


class ExpiringOut(serializers.Serializer):
    """Points that will go, and when."""

    points = whole()
    at = time()


class NextTierOut(serializers.Serializer):
    """The tier above, and the spending (in fen) or growth missing to it."""

    code = text()
    missing = whole(min_value=1)


class BenefitOut(serializers.Serializer):
    """What a tier gives."""

    code = text()
    name = text()
    value = text(allow_blank=True)


class TierOut(serializers.Serializer):
    """The tier a member is in; `qualifying` is the spending that counts, in fen, or the growth that does."""

    code = text()
    name = text()
    since = time()
    until = time(allow_null=True)
    qualifying = whole(min_value=0)
    next = NextTierOut(allow_null=True)
    benefits = BenefitOut(many=True)


class BalanceOut(serializers.Serializer):
    """An account of points."""

    available = whole(min_value=0)
    pending = whole(min_value=0)
    held = whole(min_value=0)
    debt = whole(min_value=0)
    version = whole(min_value=0)


class PointsOut(BalanceOut):
    """A member's points and tier; no tier where the brand has none."""

    expiring = ExpiringOut(many=True)
    tier = TierOut(allow_null=True)


class EntryOut(serializers.Serializer):
    """One movement of points, `points` signed."""

    id = serializers.UUIDField()
    kind = serializers.ChoiceField([kind for kind in Entry.Kind.values if kind not in TOLD_AS])
    points = whole()
    available_after = whole(min_value=0)
    reference = text()
    channel = text(allow_null=True)
    created_at = time()
    available_at = time(allow_null=True)
    expires_at = time(allow_null=True)


class EntriesOut(PageOut):
    """A page of entries."""

    results = EntryOut(many=True)


class PostedOut(serializers.Serializer):
    """An entry and the balance it left."""

    entry = EntryOut()
    balance = BalanceOut()


class BookedEntryOut(EntryOut):
    """An entry; without the balance to a channel that may write to the member and not read them."""

    available_after = whole(min_value=0, allow_null=True)


class BookedOut(serializers.Serializer):
    """An entry and the balance it left, which a channel that may not read the member is not told."""

    entry = BookedEntryOut()
    balance = BalanceOut(allow_null=True)


class HoldOut(serializers.Serializer):
    """Points set aside, and what became of them; `captured` of them were spent."""

    id = serializers.UUIDField()
    points = whole(min_value=1)
    captured = whole(min_value=0)
    reference = text()
    state = serializers.ChoiceField(Hold.State.values)
    expires_at = time()


class QuoteOut(serializers.Serializer):
    """What points may pay of a basket, and what paying the rest would earn."""

    redeemable_points = whole(min_value=0)
    discount_fen = whole(min_value=0)
    earns = whole(min_value=0)


class PointsInsufficientOut(ProblemOut):
    """Fewer points than asked for."""

    code = serializers.ChoiceField(["points_insufficient"])
    available = whole(min_value=0)


class TierChangeOut(serializers.Serializer):
    """What `tier.changed` tells."""

    at = time()

    def get_fields(self):
        """`from` is no name in Python."""
        return {"from": text(allow_null=True), "to": text()} | super().get_fields()


class CountedItemOut(serializers.Serializer):
    """A purchase or a bonus that counts: what it gave, less what refunds took back."""

    kind = text()
    number = text(allow_blank=True)
    channel = text(allow_null=True)
    at = time()
    gained = whole()
    lost = whole(min_value=0)
    counted = whole()


class RestOut(serializers.Serializer):
    """What is not listed one by one."""

    items = whole(min_value=0)
    counted = whole()


class CountedOut(serializers.Serializer):
    """What counts towards the tier: the items and the rest make the total."""

    by = serializers.ChoiceField(Programme.QualifyBy.values)
    to = time()
    items = CountedItemOut(many=True)
    rest = RestOut()
    total = whole()

    def get_fields(self):
        """`from` is no name in Python."""
        return {"from": time()} | super().get_fields()


class TierChangedOut(serializers.Serializer):
    """The last change of the tier, with the numbers that decided."""

    to = text()
    at = time()
    cause = serializers.ChoiceField(TierChange.Cause.values)
    by = serializers.ChoiceField(Programme.QualifyBy.values)
    counted_from = time()
    counted_to = time()
    qualifying = whole()
    threshold = whole(min_value=0)
    until = time(allow_null=True)

    def get_fields(self):
        """`from` is no name in Python."""
        return {"from": text(allow_null=True)} | super().get_fields()


class ReviewOut(serializers.Serializer):
    """When the tier is looked at again, and what comes of it if nothing more is counted."""

    at = time()
    in_grace = serializers.BooleanField()
    still_counted = whole()
    threshold = whole(min_value=0)
    outcome = serializers.ChoiceField(["renewed", "grace", "falls", "rises"])
    to = text()
    grace_until = time(allow_null=True)


class WhyTierOut(serializers.Serializer):
    """Why a member is in their tier, in numbers that add up: in fen, or in growth where growth counts."""

    tier = TierOut()
    threshold = whole(min_value=0)
    counted = CountedOut()
    last_change = TierChangedOut(allow_null=True)
    review = ReviewOut(allow_null=True)


class ExpiringSoonOut(ExpiringOut):
    """What `points.expiring` tells: so many points of this balance go at that time."""

    balance = BalanceOut()

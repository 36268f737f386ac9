"""What goes out about points, as the contract documents it."""

from rest_framework import serializers

from loyalty.models import Entry
from loyalty.queries import TOLD_AS
from sync.http.described import PageOut, ProblemOut

whole, text, time = serializers.IntegerField, serializers.CharField, serializers.DateTimeField


class ExpiringOut(serializers.Serializer):
    """Points that will go, and when."""

    points = whole()
    at = time()


class NextTierOut(serializers.Serializer):
    """The tier above, and the spending missing to it, in fen."""

    code = text()
    missing = whole(min_value=1)


class TierOut(serializers.Serializer):
    """The tier a member is in; `qualifying` is the spending that counts, in fen."""

    code = text()
    name = text()
    since = time()
    until = time(allow_null=True)
    qualifying = whole(min_value=0)
    next = NextTierOut(allow_null=True)


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

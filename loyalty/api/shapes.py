"""What the endpoints of points take, and how they answer."""

from contextlib import contextmanager
from datetime import timedelta

from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from rest_framework.response import Response

from loyalty import services
from loyalty.api.shown import BookedOut, PointsInsufficientOut
from loyalty.ledger import Posted
from loyalty.models import Entry, Hold
from loyalty.told import as_posted
from members.api.shapes import Id
from sync.http import Choice, Fen, Input, Instant, Problem, Text, Whole
from sync.http.described import refusal

BOOKED = {201: BookedOut, 200: BookedOut, **refusal(PointsInsufficientOut)}
MOST = 1_000_000_000  # points in one entry: no balance can overflow within a lifetime
AHEAD = timedelta(minutes=5)  # how far a caller's clock may be
DAY = 86_400  # seconds


class ProofIn(Input):
    """How a till shows that the member is there."""

    kind = Choice(choices=["member_code"])
    value = Text(max_length=40)


class PresentIn(Input):
    """A request that takes points: the member must be there."""

    reference = Text(max_length=120)
    proof = ProofIn(required=False, allow_null=True)


class EntryIn(PresentIn):
    """An earning or a spending, as a channel's backend books it."""

    kind = Choice(choices=["earn", "spend"])
    points = Whole(min_value=1, max_value=MOST)
    reason = Text(allow_blank=True)
    occurred_at = Instant(required=False, allow_null=True)
    pending_until = Instant(required=False, allow_null=True)
    expires_at = Instant(required=False, allow_null=True)

    def validate(self, attrs):
        """Times that can be, and only on what they mean something for."""
        now, given = timezone.now(), {name: attrs[name] for name in ("pending_until", "expires_at") if attrs.get(name)}
        if attrs["kind"] == "spend" and given:
            raise Problem.field(min(given), _("Only points that are earned have this"))
        if attrs.get("occurred_at") and attrs["occurred_at"] > now + AHEAD:
            raise Problem.field("occurred_at", _("This is in the future"))
        if "expires_at" in given and given["expires_at"] <= given.get("pending_until", now):
            raise Problem.field("expires_at", _("Points must be usable before they expire"))
        return attrs


class HoldIn(PresentIn):
    """Points to set aside, for so many seconds."""

    points = Whole(min_value=1, max_value=MOST)
    expires_in = Whole(min_value=1, max_value=DAY)


class CaptureIn(Input):
    """How many of the held points to spend: all of them unless told."""

    points = Whole(min_value=1, max_value=MOST, required=False)


class QuoteIn(Input):
    """A basket to pay for."""

    member_id = Id()
    items_fen = Fen()


@contextmanager
def refusals():
    """What the acts on points refuse, in the words of the contract."""
    try:
        yield
    except services.NotEnough as error:
        raise Problem("points_insufficient", error, available=error.available) from error
    except services.MoreThanHeld as error:
        raise Problem.field("points", error) from error
    except services.HoldExpired as error:
        raise Problem("hold_expired", error) from error
    except services.OverReversed as error:
        raise Problem("reference_conflict", _("Nothing of this entry is left to reverse")) from error
    except services.ReferenceConflict as error:
        raise Problem("reference_conflict", error) from error
    except services.NotPresent as error:
        raise Problem("member_proof_required", error) from error
    except services.Frozen as error:
        raise Problem("member_frozen", error) from error
    except (Entry.DoesNotExist, Hold.DoesNotExist) as error:
        raise Problem("not_found") from error


def booked(posted: Posted, *, with_balance: bool) -> Response:
    """201 for an entry made now, 200 for one that was there; the balance only to who may read it."""
    told = as_posted(posted)
    if not with_balance:
        told = {"entry": told["entry"] | {"available_after": None}, "balance": None}
    return Response(told, status=201 if posted.created else 200)

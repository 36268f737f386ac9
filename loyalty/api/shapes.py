"""What the endpoints of points take, and how they answer."""

from contextlib import contextmanager
from datetime import timedelta

from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from rest_framework.response import Response

from loyalty import queries, services
from loyalty.api.shown import PointsInsufficientOut, PostedOut
from loyalty.ledger import Posted
from loyalty.models import Entry
from sync.http import Choice, Input, Instant, Problem, Text, Whole, etag
from sync.http.described import refusal

BOOKED = {201: PostedOut, 200: PostedOut, **refusal(PointsInsufficientOut)}
MOST = 1_000_000_000  # points in one entry: no balance can overflow within a lifetime
AHEAD = timedelta(minutes=5)  # how far a caller's clock may be


class ProofIn(Input):
    """How a till shows that the member is there."""

    kind = Choice(choices=["member_code"])
    value = Text(max_length=40)


class EntryIn(Input):
    """An earning or a spending, as a channel's backend books it."""

    kind = Choice(choices=["earn", "spend"])
    points = Whole(min_value=1, max_value=MOST)
    reference = Text(max_length=120)
    reason = Text(allow_blank=True)
    occurred_at = Instant(required=False, allow_null=True)
    pending_until = Instant(required=False, allow_null=True)
    expires_at = Instant(required=False, allow_null=True)
    proof = ProofIn(required=False, allow_null=True)

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


@contextmanager
def refusals():
    """What the acts on points refuse, in the words of the contract."""
    try:
        yield
    except services.NotEnough as error:
        raise Problem("points_insufficient", error, available=error.available) from error
    except services.ReferenceConflict as error:
        raise Problem("reference_conflict") from error
    except services.NotPresent as error:
        raise Problem("member_proof_required", error) from error
    except services.Frozen as error:
        raise Problem("member_frozen", error) from error
    except Entry.DoesNotExist as error:
        raise Problem("not_found") from error


def shown(representation: dict) -> Response:
    """One resource with its tag."""
    return Response(representation, headers={"ETag": etag(representation)})


def booked(posted: Posted) -> Response:
    """201 for an entry made now, 200 for one that was there."""
    return Response(queries.as_posted(posted), status=201 if posted.created else 200)

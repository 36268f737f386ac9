"""What channels tell of members, applied by the inbox: the same acts, under the same rules, as when they are sent."""

from datetime import datetime
from uuid import UUID

from django.utils.translation import gettext_lazy as _
from rest_framework.exceptions import ValidationError

from members import profile, queries
from members.api.channel import ChangeIn, IdentityIn, namespace
from members.api.codes import MEMBER_CODE
from members.api.shapes import Id
from members.models import Member
from members.resolving import Said, holder_of
from sync import clock
from sync.act import Actor
from sync.http import Problem
from sync.http.problems import flattened
from sync.models import Channel


class UpdatedIn(ChangeIn):
    """The body of a PATCH of a member, and whom it is about: the id the hub gave, or an identity the hub knows."""

    member_id = Id(required=False, allow_null=True)
    identity = IdentityIn(required=False, allow_null=True)


def updated(channel: Channel, data: dict, occurred_at: datetime, by: Actor) -> Member:
    """`member.updated`: true when it occurred, unless the data says when. A newer word that stands is no error.

    Raises Problem `not_found`, also for members of whom the channel knows no more than that they exist.
    """
    if occurred_at > clock.now() + profile.AHEAD:
        raise Problem.field("time", _("This is in the future"))
    try:
        asked = UpdatedIn.of(data)
    except ValidationError as error:
        raise Problem("invalid", errors=list(flattened(error.detail))) from error
    member = queries.may_reach(channel, _whom(channel, asked))
    if not queries.sees(channel, member):
        raise Problem("not_found")
    said = ChangeIn.said({"occurred_at": occurred_at} | asked, channel)
    return profile.write(member.id, said, by=by)[0]


def _whom(channel: Channel, asked: dict) -> UUID:
    if asked.get("member_id"):
        return asked["member_id"]
    named = asked.get("identity")
    if not named:
        raise Problem.field("member_id", _("Say whom it is about"), "required")
    if named["kind"] == MEMBER_CODE:  # is shown to a till, and alive for a minute
        raise Problem.field("identity", _("A code names nobody afterwards"))
    holder = holder_of(Said(named["kind"], named["value"], namespace(named, channel)), channel)
    if holder is None:
        raise Problem("not_found")
    return holder

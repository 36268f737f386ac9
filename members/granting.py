"""Sign-in grants: a channel's own login carried over to the hub, for a minute, once, on that channel.

A grant is the channel's word and no more: assurance 1. It opens whoever the channel's customer number or the openid of
its own app belongs to, or registers them. Of a member with proofs of their own, what was only said opens nothing until
it is shown together with such a proof (`signing_in`).
"""

import json
from dataclasses import asdict, dataclass
from datetime import timedelta

from members import identity
from members.consent import Given
from members.identity import Evidence, Shown
from members.models import SignInGrant
from sync import clock
from sync.http import Problem
from sync.models import Channel
from sync.secret import digest, token

PREFIX, LIFETIME = "hub_sg_", timedelta(seconds=60)
ASSURANCE = 1


@dataclass(frozen=True)
class Granted:
    """What a channel vouched for."""

    shown: Shown
    consents: Given
    device: str


def vouched(channel: Channel, *, kind: str, value: str, namespace: str) -> Evidence:
    """What a channel's own login shows of a person; the caller made sure that the namespace is the channel's own."""
    return Evidence(kind, value, ASSURANCE, namespace, said=identity.word_of(channel))


def issue(item: Evidence, *, consents: Given, device: str, channel: Channel) -> str:
    """A new grant, in clear: the hub keeps its hash, and sealed what it names."""
    clear = token(PREFIX)
    row = SignInGrant(digest=digest(clear), channel=channel, consents=consents, device=device)
    row.identity, row.expires_at = json.dumps(asdict(item)), clock.now() + LIFETIME
    row.save(force_insert=True)
    return clear


def read(clear: str, channel: Channel) -> Granted:
    """What a grant of this channel carries; used up by the act that signs in.

    Raises Problem `code_invalid` for one that is unknown, expired, used or another channel's.
    """
    alive = SignInGrant.objects.filter(
        digest=digest(clear), channel=channel, used_at=None, expires_at__gt=clock.Clock()
    )
    row = alive.first()
    if row is None:
        raise Problem("code_invalid")

    def spend() -> None:
        if not alive.update(used_at=clock.Clock(), identity=None):
            raise Problem("code_invalid")

    return Granted(Shown([Evidence(**json.loads(row.identity))], spend), row.consents, row.device)

"""What staff do to the keys and secrets of channels. Who asked is given the secret once; nobody is shown it again.

What is rotated stays valid for a day beside its successor, so that the other side can change over without losing a
message; at once, when it has leaked. Who did it when is kept by the audit rows, which hold no secret.
"""

import base64
import binascii
import secrets
from collections.abc import Iterator
from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import PROTECT, Field
from django.utils.translation import gettext as _

from sync import clock
from sync.act import act
from sync.models import Audience, Channel, ChannelKey, Delivery, Endpoint
from sync.secret import digest, token

KEY = "hub_sk_"
SIGNING = "whsec_"
OVERLAP = timedelta(hours=24)
LENGTHS = range(24, 65)  # bytes of a secret, as Standard Webhooks has it
SHOWN = 4  # last characters of a key that staff know it by


class Unfit(Exception):
    """It cannot be done, for the reason that the message gives."""


class Known(Exception):
    """This key was made before: its secret was shown then."""


@act
def issue_key(*, id: UUID, channel: Channel, label: str, scopes: list[str]) -> str:
    """A new key of a channel, in clear: its hash is kept. Raises Known for an id that has its key already."""
    clear = token(KEY)
    known = {"channel": channel, "label": label, "scopes": scopes, "digest": digest(clear), "ending": clear[-SHOWN:]}
    _key, is_new = ChannelKey.objects.get_or_create(id=id, defaults=known)
    if not is_new:
        raise Known
    return clear


@act
def revoke_key(key: UUID) -> None:
    """Refuse a key from now on, for good."""
    ChannelKey.objects.filter(pk=key, revoked_at=None).update(revoked_at=clock.now())


@act
def set_secret(channel: UUID, name: str, value: str) -> None:
    """Put what WeChat gave (`app_secret`, `push_token`, `push_key`) in place of what was there."""
    row = Channel.objects.select_for_update(no_key=True).get(pk=channel)
    setattr(row, name, value)
    setattr(row, f"{name}_at", clock.now())
    row.save(update_fields=[name, f"{name}_at"])


@act
def rotate_inbound(channel: UUID, *, given: str = "", as_of: datetime | None, at_once: bool = False) -> str:
    """Give a channel a new secret to sign with what it pushes in, made here unless given. Returns it.

    `as_of` is when the one that whoever asks knows of was set; `at_once` ends the old one now. Raises Unfit.
    """
    row = Channel.objects.select_for_update(no_key=True).get(pk=channel)
    _require_known(row.inbound_secret_at, as_of)
    now, value = clock.now(), fit(given) if given else made()
    if value == row.inbound_secret:
        raise Unfit(_("This is the secret in force: give another one"))
    _require_no_overlap(row.inbound_overlap_until, now, at_once)
    is_kept = bool(row.inbound_secret) and not at_once
    row.old_inbound_secret = row.inbound_secret if is_kept else None
    row.inbound_overlap_until = now + OVERLAP if is_kept else None
    row.inbound_secret, row.inbound_secret_at = value, now
    row.save(update_fields=["inbound_secret", "inbound_secret_at", "old_inbound_secret", "inbound_overlap_until"])
    return value


@act
def rotate_outbound(endpoint: UUID, *, as_of: datetime | None, at_once: bool = False) -> str:
    """Give an endpoint a new secret to sign with what it is sent. Returns it; see `rotate_inbound`."""
    row = Endpoint.objects.select_for_update(no_key=True).get(pk=endpoint)
    _require_known(row.secret_at, as_of)
    now = clock.now()
    _require_no_overlap(row.overlap_until, now, at_once)
    row.old_secret, row.overlap_until = (None, None) if at_once else (row.secret, now + OVERLAP)
    row.secret, row.secret_at = made(), now
    row.save(update_fields=["secret", "secret_at", "old_secret", "overlap_until"])
    return row.secret


@act
def end_overlap(row: Channel | Endpoint) -> None:
    """Let the secret before the one in force count no more."""
    if isinstance(row, Channel):
        Channel.objects.filter(pk=row.pk).update(old_inbound_secret=None, inbound_overlap_until=None)
    else:
        Endpoint.objects.filter(pk=row.pk).update(old_secret=None, overlap_until=None)


def is_used(channel: Channel) -> bool:
    """Whether a channel knows a member or an order, was pushed an event, or anything else forbids deleting it.

    A part of a transaction that is about to move it: until the end of that one nobody can make anything its own.
    """
    Channel.objects.select_for_update().get(pk=channel.pk)
    told = Delivery.objects.filter(endpoint__channel=channel)
    return Audience.objects.filter(channel=channel).exists() or told.exists() or any(_holds(channel))


def _holds(channel: Channel) -> Iterator[bool]:
    """Of each table that other floors protect, whether it has rows of this channel; only where an index tells."""
    for relation in Channel._meta.get_fields(include_hidden=True):
        if relation.one_to_many and relation.on_delete is PROTECT and _is_indexed(relation.field):
            yield relation.related_model._base_manager.filter(**{relation.field.name: channel}).exists()


def _is_indexed(field: Field) -> bool:
    meta = field.model._meta
    return field.db_index or any(each.fields[:1] == (field.name,) for each in meta.total_unique_constraints)


def made() -> str:
    """A new signing secret."""
    return SIGNING + base64.b64encode(secrets.token_bytes(32)).decode()


def fit(given: str) -> str:
    """A signing secret as somebody typed it; raises Unfit."""
    try:
        length = len(base64.b64decode(given.removeprefix(SIGNING), validate=True))
    except (binascii.Error, ValueError):
        length = 0
    if not given.startswith(SIGNING) or length not in LENGTHS:
        raise Unfit(_("A secret is whsec_ followed by 24 to 64 bytes in base64"))
    return given


def _require_known(set_at: datetime | None, as_of: datetime | None) -> None:
    """Of two who rotate at once, and of a page that is sent twice, one does."""
    if set_at != as_of:
        raise Unfit(_("It was changed meanwhile: look at the page again"))


def _require_no_overlap(until: datetime | None, now: datetime, at_once: bool) -> None:
    """Three secrets at once would cut off who has not changed over yet."""
    if until and now < until and not at_once:
        raise Unfit(_("The one before is still valid: end it first, or choose to end all old ones now"))

"""Policies: drafted, put in force, retired. What is in force counts from the next request on, everywhere."""

import hashlib

from django.utils.translation import gettext_lazy as _

from members.models import Policy
from sync.act import Actor, act
from sync.clock import Clock


class Unfit(Exception):
    """The draft cannot be put in force; the message says why."""


def digest_of(text: str) -> str:
    """SHA-256 of a text as UTF-8, its lines ended by line feeds, no space around it."""
    return hashlib.sha256("\n".join(text.splitlines()).strip().encode()).hexdigest()


@act
def publish(*, policy_id: int, by: Actor) -> list[Policy]:
    """Put a version in force, in every language drafted, and retire the one before it on the same channels.

    Members who agreed to the one before are asked for this one. Returns what is in force now. Raises Unfit for what is
    no draft and for a version that stood for another text before.
    """
    draft = Policy.objects.get(pk=policy_id)
    known = list(Policy.objects.select_for_update().filter(purpose=draft.purpose).order_by("pk"))
    draft = next(policy for policy in known if policy.pk == policy_id)
    if draft.published_at:
        raise Unfit(_("This version was published before"))
    published = [each for each in known if each.published_at]
    if any(not each.is_current or not _is_same(each, draft) for each in published if each.version == draft.version):
        raise Unfit(_("This version stood for another text before: give it a new name"))
    drafts = [each for each in known if not each.published_at and _is_same(each, draft)]
    if len({each.is_required for each in (*drafts, *_beside(published, draft))}) > 1:
        raise Unfit(_("One version is required in all its languages or in none"))
    former = [each.pk for each in published if _is_of(each, draft) and each.version != draft.version]
    Policy.objects.filter(pk__in=former, is_current=True).update(is_current=False, retired_at=Clock())
    Policy.objects.filter(pk__in=[each.pk for each in drafts]).update(is_current=True, published_at=Clock())
    return list(Policy.objects.filter(purpose=draft.purpose, channel=draft.channel_id, is_current=True))


def _is_of(one: Policy, other: Policy) -> bool:
    """Whether they speak of the same purpose to the same channels."""
    return (one.purpose, one.channel_id) == (other.purpose, other.channel_id)


def _is_same(one: Policy, other: Policy) -> bool:
    """Whether they are one version, in whatever languages."""
    return _is_of(one, other) and one.version == other.version


def _beside(published: list[Policy], draft: Policy) -> list[Policy]:
    return [each for each in published if _is_same(each, draft)]

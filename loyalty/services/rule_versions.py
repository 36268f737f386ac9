"""Versions of earn rules: drafted from the one before, compared with it on what was bought, put in its place."""

import hashlib
import json

from django.db.models import Max
from django.utils.translation import gettext_lazy as _

from loyalty import queries
from loyalty.models import EarnBoost, EarnRule
from sync.act import Actor, act
from sync.clock import Clock

State = EarnRule.State
OF_A_VERSION = ("id", "version", "state", "created_at", "activated_at", "activated_by")  # all else are terms


class NotDraft(Exception):
    """Only a draft can be put in force; nothing was changed."""

    def __init__(self):
        super().__init__(_("Only a draft can be activated"))


class Outdated(Exception):
    """The draft, or what is in force, has changed since they were compared; nothing was changed."""

    def __init__(self):
        super().__init__(_("The draft or the version in force has changed since: compare them again"))


class DraftThere(Exception):
    """The next version is being drafted already: it is `draft`."""

    def __init__(self, draft: EarnRule):
        super().__init__(_("There is a draft of the next version already"))
        self.draft = draft


@act
def draft_from(rule: int) -> EarnRule:
    """The next version of a rule, with its terms and multipliers, as a draft to be changed. Raises DraftThere."""
    taken = EarnRule.objects.get(pk=rule)
    versions = EarnRule.objects.filter(code=taken.code)
    list(versions.select_for_update(no_key=True).order_by("pk"))
    if there := versions.filter(state=State.DRAFT).order_by("-version").first():
        raise DraftThere(there)
    boosts = list(taken.boosts.order_by("pk"))
    taken.pk, taken.state, taken.activated_at, taken.activated_by = None, State.DRAFT, None, ""
    taken.version, taken.created_at = versions.aggregate(last=Max("version"))["last"] + 1, Clock()
    taken.save(force_insert=True)
    for boost in boosts:
        boost.pk, boost.rule = None, taken
    EarnBoost.objects.bulk_create(boosts)
    taken.refresh_from_db()
    return taken


@act
def activate(*, rule: int, basis: str, by: Actor) -> EarnRule:
    """Put a draft in force; the version in force of its kind retires. `basis` is what somebody has seen compared.

    Of many at once one wins. Raises NotDraft, Outdated.
    """
    kind = EarnRule.objects.values_list("kind", flat=True).get(pk=rule)
    known = EarnRule.objects.filter(kind=kind).exclude(state=State.RETIRED)
    locked = {each.pk: each for each in known.select_for_update(no_key=True).order_by("pk")}
    draft = locked.get(rule)
    if draft is None or draft.state != State.DRAFT:
        raise NotDraft
    if basis_of(draft) != basis:
        raise Outdated
    EarnRule.objects.filter(kind=kind, state=State.ACTIVE).update(state=State.RETIRED)
    EarnRule.objects.filter(pk=rule).update(state=State.ACTIVE, activated_at=Clock(), activated_by=str(by))
    draft.refresh_from_db()
    return draft


def basis_of(rule: EarnRule) -> str:
    """A digest of a version's terms and of the version in force that it would follow."""
    active = queries.active_rule(rule.kind)
    said = [active and active.pk, terms_of(rule), boosts_of(rule)]
    return hashlib.sha256(json.dumps(said, default=str).encode()).hexdigest()


def terms_of(rule: EarnRule) -> dict:
    """What a version says, by field."""
    found = EarnRule.objects.filter(pk=rule.pk).values().get()
    return {name: value for name, value in found.items() if name not in OF_A_VERSION}


def boosts_of(rule: EarnRule) -> list[dict]:
    """The multipliers of a version, by field."""
    return [
        {name: value for name, value in boost.items() if name not in {"id", "rule_id"}}
        for boost in rule.boosts.order_by("pk").values()
    ]

"""Acts of staff from pages: who acts, what was refused, told as messages."""

from collections.abc import Callable, Iterable

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import Model
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _

from loyalty.ledger import NotEnough, OverReversed, ReferenceConflict
from loyalty.services.adjusting import Decided, MemberGone, NotUndoable, NotYours, OwnRequest, Unfit
from loyalty.services.adjusting_by_file import SameFile
from loyalty.services.adjusting_lines import BadFile
from loyalty.services.budgets import OverBudget
from loyalty.services.settling import NotWaiting
from sync.act import Actor

REFUSALS = (
    *(Unfit, OwnRequest, NotYours, Decided, NotUndoable, MemberGone, OverBudget, BadFile, SameFile),
    *(NotEnough, OverReversed, ReferenceConflict, NotWaiting),
)
ASK, APPROVE, RELEASE = "loyalty.add_adjustment", "loyalty.approve_adjustment", "loyalty.release_lot"


def by(request) -> Actor:
    """Who asks."""
    return Actor("staff", str(request.user.pk))


def require(request, permission: str) -> None:
    """Raises PermissionDenied."""
    if not request.user.has_perm(permission):
        raise PermissionDenied


def words(request) -> str:
    """What was written beside a decision, as far as it can be kept."""
    return request.POST.get("words", "")[:500]


def told(error: Exception) -> str:
    """Why something was refused, in the reader's words."""
    return str(error) or _("This is not possible any more: look at it anew")


def attempt(request, act: Callable, done: object, **named):
    """Run an act and tell what came of it; returns what the act gives, None when it was refused."""
    try:
        result = act(by=by(request), **named)
    except REFUSALS as error:
        messages.error(request, told(error))
        return None
    messages.success(request, str(done))
    return result


def attempt_each(request, act: Callable, rows: Iterable[Model], name: str) -> None:
    """Run an act on each row, one by one, and tell how many were done and which were not, and why."""
    done, refused = 0, []
    for row in rows:
        try:
            act(by=by(request), **{name: row.pk})
            done += 1
        except REFUSALS as error:
            refused.append(f"{row}: {told(error)}")
    if done:
        messages.success(request, _("Done: %(count)s") % {"count": done})
    for line in refused[:10]:
        messages.error(request, line)
    if len(refused) > 10:
        messages.error(request, _("and %(count)s more") % {"count": len(refused) - 10})


def to_list(model: type[Model], query: str = ""):
    """Back to a list."""
    return redirect(reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist") + query)


def to_page(row: Model):
    """Back to the page of a row."""
    return redirect(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", row.pk)

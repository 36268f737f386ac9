"""Why something was refused, in words."""

from django.core.exceptions import ObjectDoesNotExist
from django.utils.translation import gettext as _

from orders import services
from orders.payments import calling
from orders.services import handling, reassigning, refunding, room
from orders.shipping import uploading
from sync.http import Problem

REFUSALS = (
    *(services.WrongState, services.InProgress, services.Occupied, services.TransactionKnown, services.AmountMismatch),
    *(services.CaseClosed, services.NotPossible, services.BuyerFrozen, services.ExternalIdConflict),
    *(handling.Stale, handling.NoReason, reassigning.NotMovable, uploading.NotCorrectable, uploading.NotRefused),
    *(room.OverRefunded, room.UnknownLine, refunding.RefundConflict, refunding.RefundedByHub),
    *(calling.Unavailable, calling.Refused, Problem, ObjectDoesNotExist),
)


def told(error: Exception) -> str:
    """What a person reads of a refusal."""
    if isinstance(error, Problem):
        return " · ".join(str(detail) for _field, _code, detail in error.errors if detail) or str(error.detail or error)
    if isinstance(error, calling.Unavailable | calling.Refused):
        return _("WeChat Pay did not answer as needed: nothing was done. Try again in a minute.")
    if isinstance(error, ObjectDoesNotExist):
        return _("This is not possible any more: look at it anew")
    return str(error) or _("This is not possible any more: look at it anew")

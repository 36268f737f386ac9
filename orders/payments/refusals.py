"""Why a refund is stuck or failed: WeChat Pay's words and ours, as people read them."""

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

# What somebody has to put right before the same call can succeed: it is made again.
PASSING = {
    "NOT_ENOUGH",
    "FREQUENCY_LIMITED",
    "FREQUENCY_LIMIT_EXCEED",
    "RATELIMIT_EXCEEDED",
    "SYSTEM_ERROR",
    "SIGN_ERROR",
    "NO_AUTH",
    "MCH_NOT_EXISTS",
    "BIZERR_NEED_RETRY",
    "401",
    "403",
}
WORDS: dict[str, Promise] = {
    "NOT_ENOUGH": _("The merchant's balance does not reach: top it up, the refund goes on by itself"),
    "SIGN_ERROR": _("WeChat Pay does not accept the merchant's signature: check its key and certificate"),
    "NO_AUTH": _("The merchant is not allowed to refund: ask WeChat Pay"),
    "MCH_NOT_EXISTS": _("WeChat Pay does not know the merchant"),
    "USER_ACCOUNT_ABNORMAL": _("The payer's account cannot take money any more: pay back by other means"),
    "RESOURCE_NOT_EXISTS": _("WeChat Pay does not know the payment"),
    "INVALID_REQUEST": _("WeChat Pay refused: the payment cannot be refunded like this"),
    "PARAM_ERROR": _("WeChat Pay refused: the payment cannot be refunded like this"),
    "TRADE_OVERDUE": _("The payment is more than a year old: pay back by other means"),
    "ABNORMAL": _("The payer's bank did not take the money: handle it on WeChat Pay's merchant platform"),
    "CLOSED": _("WeChat Pay closed the refund: nothing was paid back"),
    "told_otherwise": _("WeChat Pay tells of another amount or payment: compare with its merchant platform"),
    "declined": _("Declined"),
    "superseded": _("Something else was refunded instead"),
    "contradicted": _("WeChat Pay told the opposite later: compare with its merchant platform"),
}


def in_words(problem: str) -> str:
    """What is wrong, for people; a word nobody knows stays as it is."""
    return str(WORDS.get(problem.partition(" ")[0], problem))

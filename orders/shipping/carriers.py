"""Who carries a parcel, by any name a channel may know them by, and what a waybill's number looks like."""

import re
import unicodedata

from django.utils.translation import gettext_lazy as _

from orders.models import Carrier
from sync.http import Problem

NUMBER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
CARRIER_LENGTH = 40


def find(named: str) -> Carrier | None:
    """The carrier of this code, WeChat code, name or alias, whatever the case; None where we know none."""
    key, best = folded(named), None
    for carrier in Carrier.objects.order_by("-is_active", "code"):
        names = [carrier.code, carrier.wechat_code, carrier.name, carrier.name_en]
        if key in map(folded, filter(None, names)):
            return carrier
        if best is None and key in map(folded, carrier.aliases):
            best = carrier
    return best


def folded(name: object) -> str:
    """A name without what people write in different ways: width, case, blanks."""
    return "".join(unicodedata.normalize("NFKC", str(name)).casefold().split())


def carrier_as_told(text: str) -> str:
    """A carrier's name as it is kept; raises Problem `invalid`."""
    name = unicodedata.normalize("NFKC", text).strip()
    if not 0 < len(name) <= CARRIER_LENGTH or any(unicodedata.category(letter)[0] == "C" for letter in name):
        raise Problem.field("carrier", _("Send a carrier's code or name of 40 characters at most"))
    return name


def waybill(text: str) -> str:
    """A waybill's number as it is kept: half-width, without blanks; empty where there is none.

    Raises Problem `invalid` for what no carrier gives: other than letters, digits, dashes, or beyond 64 of them.
    """
    number = unicodedata.normalize("NFKC", text).strip().replace(" ", "")
    if number and not NUMBER.fullmatch(number):
        raise Problem.field("tracking_number", _("Send letters, digits and dashes, 64 at most"))
    return number


def is_sent(carrier: Carrier | None) -> bool:
    """Whether its goods travel under a waybill; those of a carrier we do not know do."""
    return carrier is None or carrier.kind == Carrier.Kind.EXPRESS

"""What carriers write may name people: runs of digits that could be a phone's are masked before anybody sees them."""

import re

NUMBER = re.compile(r"[0-9０-９](?:[ -]?[0-9０-９]){6,}")


def masked(text: str) -> str:
    """The text with every number of seven digits or more reduced to its first three and last four."""
    return NUMBER.sub(lambda found: _hidden(found[0]), text)


def _hidden(number: str) -> str:
    digits = re.sub(r"[ -]", "", number)
    return f"{digits[:3]}****{digits[-4:]}" if len(digits) > 8 else f"****{digits[-4:]}"

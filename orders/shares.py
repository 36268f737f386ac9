"""What of an order's money and used points belongs to which of its goods: pure, no database, nothing lost."""

from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from loyalty import rules as loyalty


@dataclass(frozen=True)
class Shares:
    """What was paid for each order line and for the shipping, discounts shared alike; in fen, together all of it."""

    lines: dict[UUID, int]
    shipping_fen: int


def shares(lines: Iterable[tuple[UUID, int]], shipping_fen: int, paid_fen: int) -> Shares:
    """`paid_fen` over lines (id, fen before discounts) and shipping, just as earning shares it."""
    parts = loyalty.parts_of([(line, "", fen) for line, fen in lines], shipping_fen, paid_fen)
    by_line = {part.line: part.fen for part in parts}
    return Shares(by_line, by_line.pop(None, 0))


def worth(share_fen: int, quantity: int, *, before: int, more: int) -> int:
    """What `more` pieces of a line are worth when `before` of `quantity` are gone: all together are its share."""
    return share_fen * (before + more) // quantity - share_fen * before // quantity


def gone(whole: int, part: int, of: int) -> int:
    """Of `whole`, how much has gone with `part` of `of`; all of it at the end."""
    return whole * part // of if of else 0

"""Dividing whole numbers so that nothing is lost: what was paid over lines, points over lines. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True)
class Part:
    """A line of a purchase, or its shipping (neither line nor SKU), and its share of what was paid, in fen."""

    line: UUID | None
    sku: str
    fen: int


def share(total: int, weights: Sequence[int]) -> list[int]:
    """`total` divided by weight: each share within one of its exact value, together `total`.

    The largest remainders are rounded up, of equal ones the first. Nothing weighs anything: the first has it all.
    """
    whole = sum(weights)
    if not whole:
        return [total if place == 0 else 0 for place in range(len(weights))]
    shares = [total * weight // whole for weight in weights]
    by_remainder = sorted(range(len(weights)), key=lambda n: (-(total * weights[n] % whole), n))
    for place in by_remainder[: total - sum(shares)]:
        shares[place] += 1
    return shares


def parts_of(lines: Iterable[tuple[UUID, str, int]], shipping_fen: int, paid_fen: int) -> list[Part]:
    """What was paid, over the lines (id, SKU, fen before discounts) and the shipping: discounts are shared alike."""
    charged = [*lines, *([(None, "", shipping_fen)] if shipping_fen else [])]
    paid = share(paid_fen, [fen for _line, _sku, fen in charged])
    return [Part(line, sku, fen) for (line, sku, _charged), fen in zip(charged, paid, strict=True)]


def taken_back(points: int, fen: int, refunded_fen: int) -> int:
    """Of points given for `fen`, how many are gone once so much of it is refunded; all of them at the end."""
    return points * refunded_fen // fen if fen else 0


def spread(asked: Mapping[str, int], left: Mapping[str, int]) -> dict[str, int] | None:
    """What is asked of each part, as far as there is something left of it; the others bear the rest, in their order.

    None when there is not so much left in all, or a part is not there.
    """
    if not asked.keys() <= left.keys() or any(fen < 0 for fen in asked.values()):
        return None
    borne = {part: min(fen, left[part]) for part, fen in asked.items()}
    over = sum(asked.values()) - sum(borne.values())
    for part, fen in left.items():
        more = min(over, fen - borne.get(part, 0))
        if more:
            borne[part] = borne.get(part, 0) + more
            over -= more
    return None if over else borne

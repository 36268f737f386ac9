"""What a purchase earns, pure."""

from decimal import Decimal

FEN_PER_YUAN = 100


def points_for(paid_fen: int, points_per_yuan: Decimal | int) -> int:
    """Points for a payment: so many per whole yuan, nothing for what is below one."""
    return int(paid_fen // FEN_PER_YUAN * points_per_yuan)

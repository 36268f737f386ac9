"""Points as staff see them: accounts, entries, lots and holds are looked at, terms are changed."""

from loyalty.admin import ledger, programme

__all__ = ["ledger", "programme"]

"""The order book as staff see it: looked at freely, its whole story on one page, changed only by acts with reasons."""

from orders.admin import handling, money, orders, panels, parcels, refunds

__all__ = ["handling", "money", "orders", "panels", "parcels", "refunds"]

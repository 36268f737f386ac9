"""The order book as staff see it: looked at freely, its whole story on one page, changed only by acts with reasons."""

from orders.admin import bills, handling, money, orders, panels, parcels, refunds, shipping_files, traced

__all__ = ["bills", "handling", "money", "orders", "panels", "parcels", "refunds", "shipping_files", "traced"]

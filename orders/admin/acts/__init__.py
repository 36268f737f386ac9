"""Manual work on orders: who may do what, what it would do, and the doing, by the owners' acts."""

from orders.admin.acts.offering import case_urls, order_urls, ways_of

__all__ = ["case_urls", "order_urls", "ways_of"]

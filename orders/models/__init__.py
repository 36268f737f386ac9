from orders.models.book import Disclosure, Line, Order, Recipient
from orders.models.paying import Merchant, MerchantKey, Payment, PaymentCase

__all__ = ["Disclosure", "Line", "Merchant", "MerchantKey", "Order", "Payment", "PaymentCase", "Recipient"]

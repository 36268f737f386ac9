from orders.models.book import Line, Order, Recipient
from orders.models.paying import Merchant, MerchantKey, Payment, PaymentCase

__all__ = ["Line", "Merchant", "MerchantKey", "Order", "Payment", "PaymentCase", "Recipient"]

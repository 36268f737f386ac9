from orders.models.bills import Bill, BillLine
from orders.models.book import Disclosure, Line, Order, Recipient
from orders.models.handling import Intervention, OrderTerms, Superseded
from orders.models.parcels import Carrier, Shipment, ShipmentLine
from orders.models.paying import Merchant, MerchantKey, Payment, PaymentCase
from orders.models.refunding import Refund, RefundLine
from orders.models.shipping_files import ShippingFile, ShippingRow
from orders.models.uploads import ShippingUpload

__all__ = [
    "Bill",
    "BillLine",
    "Carrier",
    "Disclosure",
    "Intervention",
    "Line",
    "Merchant",
    "MerchantKey",
    "Order",
    "OrderTerms",
    "Payment",
    "PaymentCase",
    "Recipient",
    "Refund",
    "RefundLine",
    "Shipment",
    "ShipmentLine",
    "ShippingFile",
    "ShippingRow",
    "ShippingUpload",
    "Superseded",
]

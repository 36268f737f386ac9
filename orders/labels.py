"""What the fields of orders in a person's copy are called."""

from django.utils.translation import gettext_lazy as _

from orders.models import Payment, Refund, Shipment

LABELS = {
    "orders": _("Orders"),
    "external_id": _("Channel's number"),
    "status_label": _("Status"),
    "lines": _("Articles"),
    "sku": _("SKU"),
    "name": _("Name or article"),
    "quantity": _("Quantity"),
    "unit_price_fen": _("Unit price"),
    "refunded_quantity": _("Refunded"),
    "items_fen": _("Items"),
    "shipping_fen": _("Shipping"),
    "discounts": _("Discounts"),
    "discount_fen": _("Discount"),
    "amount_fen": _("Amount"),
    "points_redeemed": _("Points used"),
    "points_discount_fen": _("Discount by points"),
    "total_fen": _("Total"),
    "paid_fen": _("Paid"),
    "refunded_fen": _("Refunded"),
    "points_earned": _("Points earned"),
    "shipments": _("Shipments"),
    "buyer_note": _("Note"),
    "placed_at": _("Placed"),
    "paid_at": _("Paid at"),
    "completed_at": _("Completed at"),
    "recipient": _("Recipient"),
    "contact": _("Contact"),
    "payments": _("Payments"),
    "provider": _("Provider"),
    "method": _("Method"),
    "transaction_id": _("Provider's number"),
    "refunds": _("Refunds"),
    "refunded_at": _("Refunded at"),
    "carrier_name": _("Carrier"),
    "tracking_number": _("Waybill"),
    "text": _("What was told"),
    "place": _("Where it was"),
} | {
    f"state={value}": label
    for states in (Shipment.State, Refund.State, Payment.State)
    for value, label in states.choices
}

"""Paths of this floor under /api/v1/."""

from django.urls import path

from orders.api import channel, mine, moving, parcels, refunds

urlpatterns = [
    path("me/orders", mine.MyOrders.as_view()),
    path("orders", channel.Orders.as_view()),
    path("orders/<str:number>", channel.OneOrder.as_view()),
    path("orders/<str:number>/recipient", channel.RecipientOf.as_view()),
    path("orders/<str:number>/payments", channel.Payments.as_view()),
    path("orders/<str:number>/shipments", parcels.Shipments.as_view()),
    path("orders/<str:number>/shipments/<uuid:shipment_id>", parcels.OneShipment.as_view()),
    path("orders/<str:number>/cancel", moving.Cancelled.as_view()),
    path("orders/<str:number>/delivered", moving.Delivered.as_view()),
    path("orders/<str:number>/completed", moving.Completed.as_view()),
    path("me/orders/<str:number>/cancel", moving.MyCancelled.as_view()),
    path("me/orders/<str:number>/receipt", moving.MyReceipt.as_view()),
    path("orders/<str:number>/refunds", refunds.Refunds.as_view()),
    path("me/orders/<str:number>/refunds", refunds.MyRefunds.as_view()),
    path("me/orders/<str:number>", mine.MyOrder.as_view()),
    path("me/orders/<str:number>/payments", mine.MyPayments.as_view()),
]

"""Paths of this floor under /api/v1/."""

from django.urls import path

from orders.api import channel, mine

urlpatterns = [
    path("orders", channel.Orders.as_view()),
    path("orders/<str:number>", channel.OneOrder.as_view()),
    path("orders/<str:number>/recipient", channel.RecipientOf.as_view()),
    path("orders/<str:number>/payments", channel.Payments.as_view()),
    path("me/orders", mine.MyOrders.as_view()),
    path("me/orders/<str:number>", mine.MyOrder.as_view()),
    path("me/orders/<str:number>/payments", mine.MyPayments.as_view()),
]

"""The hub's paths, with those of the works it is measured against."""

from django.urls import path

from config.urls import urlpatterns as paths
from tests.bench import orders_works

urlpatterns = [
    path("api/v1/bench/me/orders", orders_works.MyOrders.as_view()),
    path("api/v1/bench/orders", orders_works.Orders.as_view()),
    *paths,
]

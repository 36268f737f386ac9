"""Paths of this floor under /api/v1/."""

from django.urls import path

from loyalty.api import channel as api

urlpatterns = [
    path("me/points", api.MyPoints.as_view()),
    path("me/points/entries", api.MyEntries.as_view()),
    path("members/<uuid:member>/points", api.MemberPoints.as_view()),
    path("members/<uuid:member>/points/entries", api.MemberEntries.as_view()),
    path("points/entries/<uuid:entry>/reverse", api.Reversal.as_view()),
]

"""Paths of this floor under /api/v1/."""

from django.urls import path

from loyalty.api import channel, holds, mine

urlpatterns = [
    path("me/points", mine.MyPoints.as_view()),
    path("me/points/entries", mine.MyEntries.as_view()),
    path("me/tier", mine.MyTier.as_view()),
    path("members/<uuid:member>/points", channel.MemberPoints.as_view()),
    path("members/<uuid:member>/points/entries", channel.MemberEntries.as_view()),
    path("members/<uuid:member>/points/holds", holds.Holds.as_view()),
    path("points/entries/<uuid:entry>/reverse", channel.Reversal.as_view()),
    path("points/holds/<uuid:hold>/capture", holds.Capture.as_view()),
    path("points/holds/<uuid:hold>/release", holds.Release.as_view()),
    path("points/quote", channel.Quote.as_view()),
]

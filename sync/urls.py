"""Paths of this floor under /api/v1/."""

from django.urls import path

from sync.api import feed, inbox, live

urlpatterns = [
    path("ws-tickets", live.Tickets.as_view()),
    path("me/events", live.Events.as_view()),
    path("feed", feed.Feed.as_view()),
    path("inbox", inbox.Inbox.as_view()),
]

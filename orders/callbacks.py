"""Paths under /callbacks/: what providers tell us."""

urlpatterns = []

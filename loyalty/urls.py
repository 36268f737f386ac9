"""Paths of this floor under /api/v1/."""

urlpatterns = []

"""Paths of the sandbox under /sandbox/."""

urlpatterns = []

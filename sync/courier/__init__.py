"""Pushes facts to the channels' endpoints (API §4, Webhooks out)."""

DOORBELL = "courier"

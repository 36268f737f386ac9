"""Pushes facts to the channels' endpoints (API §4, Webhooks out). `work` runs it, `claims` is its SQL."""

DOORBELL = "courier"

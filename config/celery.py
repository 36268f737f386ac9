"""Celery: keeps the clock. Every task may run twice, late, or not at all; the truth is in PostgreSQL."""

import os

from celery import Celery
from celery.signals import worker_ready

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

app = Celery("hub")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
app.autodiscover_tasks(["sync"], related_name="watch")


@worker_ready.connect
def tell_at_once(**_later):
    """A worker's first sign of life does not wait for the clock."""
    app.send_task("sync.watch.heartbeat")

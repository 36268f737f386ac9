"""The roof's tasks: beat calls them, each may run twice, late or not at all."""

import redis
from celery import shared_task
from django.conf import settings

from config.figures import figures
from sync.live import tell_dashboard

WATCHED = "asgi__group__dashboard"  # where the channel layer listens while a dashboard is open


@shared_task(ignore_result=True)
def dashboard(**_later):
    """Show every open dashboard the figures of now; while nobody looks, nothing is counted."""
    with redis.Redis.from_url(settings.REDIS_URL, socket_timeout=2) as broker:
        [(_channel, watching)] = broker.pubsub_numsub(WATCHED)
    if watching:
        tell_dashboard({"kind": "figures", "figures": figures()})

"""Small acts of the ground floor."""

from django.db import connection

from sync.models import Channel

ADMIT = """
INSERT INTO sync_audience (subject, channel_id) VALUES (%s, %s) ON CONFLICT (subject, channel_id) DO NOTHING
"""


def admit(subject: str, channel: Channel) -> bool:
    """Let a channel, and with it its sharing group, see a subject. True when it did not before."""
    with connection.cursor() as cursor:
        cursor.execute(ADMIT, [subject, channel.pk])
        return cursor.rowcount == 1

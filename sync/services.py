"""Small acts of the ground floor."""

from django.db import connection

from sync.models import Channel

ADMIT = """
WITH admitted AS (
    INSERT INTO sync_audience (subject, channel_id) VALUES (%(subject)s, %(channel)s)
    ON CONFLICT (subject, channel_id) DO NOTHING
)
SELECT NOT EXISTS (
    SELECT FROM sync_audience a JOIN sync_channel c ON c.id = a.channel_id
    WHERE a.subject = %(subject)s AND c.group_id = %(group)s
)
"""


def admit(subject: str, channel: Channel) -> bool:
    """Let a channel, and with it its sharing group, see a subject. True when none of the group did before.

    Of several at once one is told so, if all of them lock what the subject is first.
    """
    with connection.cursor() as cursor:
        cursor.execute(ADMIT, {"subject": subject, "channel": channel.pk, "group": channel.group_id})
        return cursor.fetchone()[0]

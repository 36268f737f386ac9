"""The relay's one statement, `sync_settle()` (DESIGN §5, SPINE), and `sync_record()`, for functions that tell what they do."""

from django.db import migrations

RECORD = """
CREATE FUNCTION sync_record(
    p_id uuid, p_subject text, p_type text, p_source text, p_actor text, p_correlation text, p_groups text, p_data jsonb
) RETURNS void LANGUAGE plpgsql VOLATILE AS $$
-- One fact, as `sync.events` writes it: its stream stays locked until the act is over.
DECLARE
    v_sequence bigint;
BEGIN
    INSERT INTO sync_stream AS s (subject, head) VALUES (p_subject, 1)
    ON CONFLICT (subject) DO UPDATE SET head = s.head + 1
    RETURNING head INTO v_sequence;
    INSERT INTO sync_event (id, subject, sequence, type, source, actor, correlation_id, data, only_for, time)
    VALUES (
        p_id, p_subject, v_sequence, p_type, p_source, p_actor, p_correlation, p_data, p_groups::bigint[],
        clock_timestamp());
END $$;
"""

# What the last batch's snapshot did not see: what began after it, and what was open then. Transaction ids of another
# cluster, which a dump brought here, lie in its future or mean nothing: what has its place is left out. (OFFSET 0: each
# is looked up; a join might read all that ever had a place.)
UNSEEN = """
        SELECT e.* FROM (
            SELECT * FROM sync_event
            WHERE xid >= pg_snapshot_xmax(prior) AND xid < pg_snapshot_xmax(pg_current_snapshot())
            UNION ALL
            SELECT * FROM sync_event WHERE xid = ANY (ARRAY(SELECT pg_snapshot_xip(prior)))
        ) e WHERE NOT EXISTS (SELECT FROM sync_settled s WHERE s.event_id = e.id OFFSET 0)
"""
# The first batch, and the first one in another cluster.
UNSETTLED = """
        SELECT e.* FROM sync_event e WHERE NOT EXISTS (SELECT 1 FROM sync_settled s WHERE s.event_id = e.id)
"""
# Told are the channels that may see the subject; of what belongs to a channel (its data names it), that one's group.
# What is for some groups only is told to these of them. What tells of times before the hub (its data says so) is on
# streams and in the feed, and is delivered to nobody.
BATCH = """
    RETURN QUERY WITH fresh AS ({fresh}
    ), placed AS (
        INSERT INTO sync_settled (event_id) SELECT id FROM fresh ORDER BY written RETURNING event_id, position
    ), batch AS (
        INSERT INTO sync_batch (seen)
        SELECT pg_current_snapshot() WHERE prior IS NULL OR EXISTS (SELECT 1 FROM fresh)
    ), fanned AS (
        INSERT INTO sync_delivery (event_id, endpoint_id, subject, position, state, attempts)
        SELECT DISTINCT ON (p.position, n.id) f.id, n.id, f.subject, p.position, 'waiting', 0
        FROM placed p
        JOIN fresh f ON f.id = p.event_id
        JOIN LATERAL (
            SELECT own.group_id FROM sync_channel own WHERE own.code = f.data->>'channel'
            UNION ALL
            SELECT seen_on.group_id FROM sync_audience a JOIN sync_channel seen_on ON seen_on.id = a.channel_id
            WHERE a.subject = f.subject AND f.data->>'channel' IS NULL
        ) told ON f.only_for IS NULL OR told.group_id = ANY (f.only_for)
        JOIN sync_channel c ON c.group_id = told.group_id AND c.is_active
        JOIN sync_endpoint n ON n.channel_id = c.id AND n.is_active
        WHERE (n.types = '{{}}' OR f.type = ANY (n.types)) AND f.actor <> 'channel/' || c.code
            AND f.data->>'history' IS DISTINCT FROM 'true'
        ORDER BY p.position, n.id
        RETURNING 1
    )
    SELECT (SELECT count(*) FROM placed), (SELECT count(*) FROM fanned),
        (SELECT min(position) FROM placed), (SELECT max(position) FROM placed),
        CASE WHEN (SELECT count(*) FROM fresh) <= 32 THEN (
            SELECT jsonb_agg(jsonb_build_object(
                'id', f.id, 'subject', f.subject, 'sequence', f.sequence, 'type', f.type, 'source', f.source,
                'correlation_id', f.correlation_id, 'time', f.time, 'data', f.data) ORDER BY p.position)
            FROM placed p JOIN fresh f ON f.id = p.event_id)
        END;
"""
SETTLE = f"""
CREATE FUNCTION sync_settle() RETURNS TABLE (
    settled bigint, delivered bigint, first_position bigint, last_position bigint, facts jsonb
) LANGUAGE plpgsql VOLATILE
-- Left alone, a plan made for a small table, or for a third of a large one, reads all events for each batch.
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET jit = off AS $$
DECLARE
    prior pg_snapshot;
BEGIN
    -- The only leadership: held by this statement's transaction, so a stopped relay holds nothing.
    IF NOT pg_try_advisory_xact_lock(hashtextextended('sync_settle', 0)) THEN
        RETURN;
    END IF;
    -- VOLATILE: the statements below take their snapshots after the lock.
    SELECT seen INTO prior FROM sync_batch ORDER BY id DESC LIMIT 1;
    IF pg_snapshot_xmax(prior) > pg_snapshot_xmax(pg_current_snapshot()) THEN
        prior := NULL;  -- restored into a younger cluster: its transaction ids say nothing here
    END IF;
    IF prior IS NULL THEN {BATCH.format(fresh=UNSETTLED)}
    -- Nothing new is soon said; a plan as large as the next ones takes longer to begin than to run.
    ELSIF (
            SELECT e.xid FROM sync_event e WHERE e.xid < pg_snapshot_xmax(pg_current_snapshot())
            ORDER BY e.xid DESC LIMIT 1
        ) < pg_snapshot_xmax(prior)
        AND NOT EXISTS (SELECT FROM sync_event e WHERE e.xid = ANY (ARRAY(SELECT pg_snapshot_xip(prior))))
    THEN
        RETURN QUERY SELECT 0::bigint, 0::bigint, NULL::bigint, NULL::bigint, NULL::jsonb;
    ELSE {BATCH.format(fresh=UNSEEN)}
    END IF;
END $$;
"""


class Migration(migrations.Migration):
    dependencies = [("sync", "0001_initial")]

    operations = [
        migrations.RunSQL(SETTLE, "DROP FUNCTION sync_settle()"),
        migrations.RunSQL(RECORD, "DROP FUNCTION sync_record(uuid, text, text, text, text, text, text, jsonb)"),
        # Every event changes its stream's row: room beside it keeps the change on its page, and no index that only a
        # search by beginnings would use has to be told.
        migrations.RunSQL(
            "ALTER TABLE sync_stream SET (fillfactor = 60); DROP INDEX sync_stream_subject_d2a26e19_like",
            "ALTER TABLE sync_stream RESET (fillfactor);"
            " CREATE INDEX sync_stream_subject_d2a26e19_like ON sync_stream (subject varchar_pattern_ops)",
        ),
    ]

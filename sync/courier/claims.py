"""The courier's statements: claim what is due, write what came of it, give back what was not sent.

Order is kept per (endpoint, subject): only the lowest waiting position may be claimed. What waits behind it is put
off until its head is due, so that a long queue behind a dead endpoint is not read again and again; who finishes a
head makes the next one due. Those behind that one are put off for longer, as the one before makes each of them due: a
long queue that moves is not read again and again either. A claim is a lease with a token of its own: who comes too
late changes nothing. A claim judges by its snapshot: what it put off is judged again afterwards.
"""

LEASE = 60  # seconds
FAILING = "120 hours"  # of nothing but failure: then an endpoint is disabled
LINE = "60 seconds"  # that who stands behind two others is left alone, unless the one before makes it due
FLIGHT = "1 second"  # a head in flight may be finished by a statement that does not see yet what waits behind it

CLAIM = f"""
WITH room AS (
    SELECT n.id, n.url, n.secret, CASE WHEN n.overlap_until > now() THEN n.old_secret END AS old_secret,
        coalesce(b.free, %(start)s) AS free
    FROM sync_endpoint n
    JOIN sync_channel c ON c.id = n.channel_id AND c.is_active
    LEFT JOIN unnest(%(endpoints)s::uuid[], %(free)s::int[]) AS b (id, free) ON b.id = n.id
    WHERE n.is_active
), due AS (
    SELECT d.* FROM room CROSS JOIN LATERAL (
        SELECT id, endpoint_id, subject, position FROM sync_delivery
        WHERE endpoint_id = room.id AND state = 'waiting' AND next_at <= now()
        ORDER BY next_at, position LIMIT room.free FOR UPDATE SKIP LOCKED
    ) d
), judged AS (
    SELECT due.id, head.id AS head, head.next_at AS heads_turn, head.before
    FROM due LEFT JOIN LATERAL (
        SELECT first.id, first.next_at, count(*) OVER () AS before FROM (
            SELECT e.id, e.position,
                CASE WHEN e.leased_until > now() THEN now() + interval '{FLIGHT}' ELSE e.next_at END AS next_at
            FROM sync_delivery e
            WHERE e.endpoint_id = due.endpoint_id AND e.subject = due.subject
              AND e.state = 'waiting' AND e.position < due.position
            ORDER BY e.position LIMIT 2
        ) first ORDER BY first.position LIMIT 1
    ) head ON true
), put_off AS (
    UPDATE sync_delivery d SET next_at = greatest(
        j.heads_turn, now() + CASE j.before WHEN 1 THEN interval '0.2 seconds' ELSE interval '{LINE}' END)
    FROM judged j WHERE d.id = j.id AND j.head IS NOT NULL
    RETURNING d.id
), claimed AS (
    UPDATE sync_delivery d
    SET lease = %(lease)s,
        leased_until = now() + interval '{LEASE} seconds', next_at = now() + interval '{LEASE} seconds'
    FROM judged j WHERE d.id = j.id AND j.head IS NULL
    RETURNING d.id, d.event_id, d.endpoint_id, d.attempts, d.position
)
SELECT looked.at AS looked_at, (SELECT array_agg(id) FROM put_off) AS put_off,
    c.id AS delivery, c.endpoint_id, c.attempts, room.url, room.secret, room.old_secret, {{columns}}
FROM (SELECT count(*) AS at FROM due) looked
LEFT JOIN (claimed c JOIN room ON room.id = c.endpoint_id JOIN sync_event e ON e.id = c.event_id) ON true
ORDER BY c.position
"""  # noqa: S608 - constants

# A claim may have put off what a result, written since its snapshot, has made the head; no later result wakes that one.
# Who is locked is looked after by the result that locks it.
NOT_BEHIND = """
UPDATE sync_delivery d SET next_at = clock_timestamp()
FROM (
    SELECT w.id FROM sync_delivery w
    WHERE w.id = ANY (%s::bigint[]) AND w.state = 'waiting' AND (w.leased_until IS NULL OR w.leased_until < now())
      AND NOT EXISTS (
        SELECT FROM sync_delivery e WHERE e.endpoint_id = w.endpoint_id AND e.subject = w.subject
          AND e.state = 'waiting' AND e.position < w.position)
    FOR NO KEY UPDATE SKIP LOCKED
) head WHERE d.id = head.id
"""

WRITE = f"""
WITH told AS (
    SELECT * FROM jsonb_to_recordset(%s::jsonb) AS t (
        delivery bigint, lease uuid, state text, pause float8, status int, error text, response text,
        milliseconds int, connected int, sent int, answered int, at timestamptz)
), tried AS (
    INSERT INTO sync_attempt
        (delivery_id, at, milliseconds, connected, sent, answered, status, error, response)
    SELECT d.id, t.at, t.milliseconds, t.connected, t.sent, t.answered, t.status, t.error, t.response
    FROM told t JOIN sync_delivery d ON d.id = t.delivery
), done AS (
    UPDATE sync_delivery d SET
        state = t.state, attempts = d.attempts + 1, lease = NULL, leased_until = NULL,
        next_at = CASE WHEN t.state = 'waiting' THEN clock_timestamp() + t.pause * interval '1 second' END,
        finished_at = CASE WHEN t.state <> 'waiting' THEN clock_timestamp() END
    FROM told t WHERE d.id = t.delivery AND d.lease = t.lease AND d.state = 'waiting'
    RETURNING d.endpoint_id, d.subject, d.position, d.state, t.status
), following AS (
    SELECT behind.* FROM done CROSS JOIN LATERAL (
        SELECT n.id, n.next_at, n.leased_until FROM sync_delivery n
        WHERE n.endpoint_id = done.endpoint_id AND n.subject = done.subject
          AND n.state = 'waiting' AND n.position > done.position
        ORDER BY n.position LIMIT 1 FOR NO KEY UPDATE  -- waits for a claim that is just putting it off
    ) behind WHERE done.state <> 'waiting'
), made_due AS (
    UPDATE sync_delivery d SET next_at = clock_timestamp() FROM following f
    WHERE d.id = f.id AND f.next_at > clock_timestamp()
      AND (f.leased_until IS NULL OR f.leased_until < now())  -- it flew when its head was sent again
), standing AS (
    SELECT endpoint_id, bool_or(state = 'delivered') AS well, bool_or(status = 410) AS gone FROM done GROUP BY 1
)
UPDATE sync_endpoint n SET
    last_success_at = CASE WHEN s.well THEN clock_timestamp() ELSE n.last_success_at END,
    -- Who is disabled begins anew when somebody enables it.
    failing_since = CASE
        WHEN NOT s.well AND NOT s.gone AND coalesce(n.failing_since > now() - interval '{FAILING}', true)
        THEN coalesce(n.failing_since, clock_timestamp()) END,
    is_active = n.is_active AND NOT s.gone
        AND (s.well OR coalesce(n.failing_since > now() - interval '{FAILING}', true)),
    disabled_reason = CASE
        WHEN s.gone THEN '410 Gone'
        WHEN s.well AND n.is_active THEN ''
        WHEN n.failing_since <= now() - interval '{FAILING}' THEN '120 h'
        ELSE n.disabled_reason END
FROM (SELECT endpoint_id, well, coalesce(gone, false) AS gone FROM standing) s
WHERE n.id = s.endpoint_id AND (
    NOT s.well OR n.failing_since IS NOT NULL OR n.disabled_reason <> '' OR n.last_success_at IS NULL
    OR n.last_success_at < now() - interval '10 seconds')
"""  # noqa: S608 - constants

GIVE_BACK = """
UPDATE sync_delivery d SET lease = NULL, leased_until = NULL, next_at = clock_timestamp()
FROM unnest(%s::bigint[], %s::uuid[]) AS g (id, lease) WHERE d.id = g.id AND d.lease = g.lease AND d.state = 'waiting'
"""

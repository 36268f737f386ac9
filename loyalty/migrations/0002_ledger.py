"""The ledger's functions (DESIGN §4, §5). All are called through `loyalty/ledger.py`.

The caller's transaction holds the member; each function locks the account's row first, and nobody changes entries,
lots or holds without it. What decides is the database's clock after that lock.
"""

from django.db import migrations

UUID7 = """
CREATE FUNCTION hub_uuid7() RETURNS uuid LANGUAGE sql VOLATILE AS $$
    -- RFC 9562: 48 bits of Unix milliseconds, the version, the rest random
    SELECT encode(set_bit(set_bit(overlay(uuid_send(gen_random_uuid())
        PLACING substring(int8send((extract(epoch FROM clock_timestamp()) * 1000)::bigint) FROM 3) FROM 1 FOR 6),
        52, 1), 53, 1), 'hex')::uuid
$$;
"""

EXPIRY = """
CREATE FUNCTION loyalty_expiry(p_from timestamptz, p_days integer) RETURNS timestamptz LANGUAGE plpgsql STABLE AS $$
-- When points of that moment go: after so many days, else by the programme; always at midnight in Shanghai.
BEGIN
    IF p_days IS NOT NULL THEN
        RETURN (date_trunc('day', p_from AT TIME ZONE 'Asia/Shanghai') + make_interval(days => p_days + 1))
            AT TIME ZONE 'Asia/Shanghai';
    END IF;
    RETURN (
        SELECT CASE p.validity
            WHEN 'rolling' THEN date_trunc('day', p.until) + interval '1 day'
            WHEN 'year_end' THEN date_trunc('year', p.until) + interval '1 year'
        END AT TIME ZONE 'Asia/Shanghai'
        FROM (
            SELECT validity, p_from AT TIME ZONE 'Asia/Shanghai' + make_interval(months => valid_months) AS until
            FROM loyalty_programme WHERE id = 1
        ) p);
END $$;
"""

TAKE = """
CREATE FUNCTION loyalty_take(p_account uuid, p_entry uuid, p_points bigint, p_to_hold boolean)
RETURNS void LANGUAGE plpgsql VOLATILE AS $$
-- Draw available points from lots, the earliest expiry first.
DECLARE
    v_left bigint := p_points;
    v_part bigint;
    v_lot record;
BEGIN
    WHILE v_left > 0 LOOP
        SELECT l.entry_id, l.remaining INTO v_lot FROM loyalty_lot l
        WHERE l.account_id = p_account AND l.remaining > 0 AND NOT l.is_pending
        ORDER BY l.expires_at NULLS LAST, l.entry_id LIMIT 1;  -- one at a time: never sorts all there are
        IF NOT FOUND THEN
            RAISE EXCEPTION 'The lots of account % hold less than its balance', p_account USING ERRCODE = '23514';
        END IF;
        v_part := least(v_lot.remaining, v_left);
        UPDATE loyalty_lot l SET remaining = l.remaining - v_part, held = l.held + CASE WHEN p_to_hold THEN v_part ELSE 0 END
        WHERE l.entry_id = v_lot.entry_id;
        INSERT INTO loyalty_draw (entry_id, lot_id, remaining, held)
        VALUES (p_entry, v_lot.entry_id, -v_part, CASE WHEN p_to_hold THEN v_part ELSE 0 END);
        v_left := v_left - v_part;
    END LOOP;
END $$;
"""

TAKE_BACK = """
CREATE FUNCTION loyalty_take_back(
    p_account uuid, p_entry uuid, p_points bigint, p_earning uuid, OUT available bigint, OUT pending bigint, OUT missing bigint
) LANGUAGE plpgsql VOLATILE AS $$
-- Draw what was given: from the lot of that earning, then from what is pending, then from what is available. What waits
-- for staff pays for nothing else: it may never come.
DECLARE
    v_part bigint;
    v_lot record;
BEGIN
    available := 0;
    pending := 0;
    missing := p_points;
    FOR v_lot IN
        SELECT l.entry_id, l.remaining, l.is_pending FROM loyalty_lot l
        WHERE l.account_id = p_account AND l.remaining > 0
            AND (l.entry_id = p_earning OR p_earning IS NULL OR NOT l.is_pending OR l.available_at IS NOT NULL)
        ORDER BY l.entry_id IS NOT DISTINCT FROM p_earning DESC, l.is_pending DESC, l.expires_at NULLS LAST, l.entry_id
    LOOP
        v_part := least(v_lot.remaining, missing);
        UPDATE loyalty_lot l SET remaining = l.remaining - v_part WHERE l.entry_id = v_lot.entry_id;
        INSERT INTO loyalty_draw (entry_id, lot_id, remaining, held) VALUES (p_entry, v_lot.entry_id, -v_part, 0);
        missing := missing - v_part;
        IF v_lot.is_pending THEN
            pending := pending + v_part;
        ELSE
            available := available + v_part;
        END IF;
        EXIT WHEN missing = 0;
    END LOOP;
END $$;
"""

GIVE_BACK = """
CREATE FUNCTION loyalty_give_back(
    p_account uuid, p_entry uuid, p_points bigint, p_spending uuid, p_now timestamptz,
    OUT missing bigint, OUT due_at timestamptz
) LANGUAGE plpgsql VOLATILE AS $$
-- Return spent points to the lots they were drawn from: the last drawn first. A lot that expired meanwhile lives on for
-- the programme's days of grace, counted from its expiry, once ever; what is past that expires again at once.
DECLARE
    v_part bigint;
    v_lot record;
    v_grace integer := coalesce((SELECT grace_days FROM loyalty_programme WHERE id = 1), 0);
BEGIN
    missing := p_points;
    FOR v_lot IN
        SELECT l.entry_id, l.expires_at, l.graced_at, d.points FROM (
            SELECT lot_id, sum(points)::bigint AS points FROM (
                SELECT lot_id, -remaining - held AS points FROM loyalty_draw WHERE entry_id = p_spending
                UNION ALL
                SELECT lot_id, -remaining FROM loyalty_draw
                WHERE remaining > 0 AND entry_id IN (SELECT id FROM loyalty_entry WHERE reverses_id = p_spending)
            ) moved GROUP BY lot_id
        ) d JOIN loyalty_lot l ON l.entry_id = d.lot_id
        WHERE d.points > 0 AND l.account_id = p_account
        ORDER BY l.expires_at DESC NULLS FIRST, l.entry_id DESC
    LOOP
        v_part := least(v_lot.points, missing);
        IF v_lot.expires_at <= p_now AND v_lot.graced_at IS NULL AND v_grace > 0 THEN
            v_lot.expires_at := v_lot.expires_at + make_interval(days => v_grace);
            v_lot.graced_at := p_now;
        END IF;
        UPDATE loyalty_lot l
        SET remaining = l.remaining + v_part, expires_at = v_lot.expires_at, graced_at = v_lot.graced_at
        WHERE l.entry_id = v_lot.entry_id;
        INSERT INTO loyalty_draw (entry_id, lot_id, remaining, held) VALUES (p_entry, v_lot.entry_id, v_part, 0);
        missing := missing - v_part;
        due_at := least(due_at, v_lot.expires_at);
        EXIT WHEN missing = 0;
    END LOOP;
END $$;
"""

UNHOLD = """
CREATE FUNCTION loyalty_unhold(p_hold uuid, p_entry uuid, p_points bigint, p_return boolean, OUT due_at timestamptz)
LANGUAGE plpgsql VOLATILE AS $$
-- Take points out of a hold: gone for good, the earliest expiry first, or back into their lots. Dates stay as they are.
DECLARE
    v_left bigint := p_points;
    v_part bigint;
    v_lot record;
BEGIN
    FOR v_lot IN
        SELECT l.entry_id, l.expires_at, d.points FROM (
            SELECT lot_id, sum(held)::bigint AS points FROM loyalty_draw
            WHERE entry_id = ANY (ARRAY(SELECT id FROM loyalty_entry WHERE follows_id = p_hold) || p_hold)
            GROUP BY lot_id
        ) d JOIN loyalty_lot l ON l.entry_id = d.lot_id
        WHERE d.points > 0
        ORDER BY l.expires_at NULLS LAST, l.entry_id
    LOOP
        v_part := least(v_lot.points, v_left);
        UPDATE loyalty_lot l SET held = l.held - v_part, remaining = l.remaining + CASE WHEN p_return THEN v_part ELSE 0 END
        WHERE l.entry_id = v_lot.entry_id;
        INSERT INTO loyalty_draw (entry_id, lot_id, remaining, held)
        VALUES (p_entry, v_lot.entry_id, CASE WHEN p_return THEN v_part ELSE 0 END, -v_part);
        IF p_return THEN
            due_at := least(due_at, v_lot.expires_at);
        END IF;
        v_left := v_left - v_part;
        EXIT WHEN v_left = 0;
    END LOOP;
    IF v_left > 0 THEN
        RAISE EXCEPTION 'The lots of hold % hold less than it', p_hold USING ERRCODE = '23514';
    END IF;
END $$;
"""

ENTER = """
CREATE FUNCTION loyalty_enter(
    INOUT account loyalty_account, p_entry uuid, p_kind text,
    p_available bigint, p_pending bigint, p_held bigint, p_debt bigint, p_contra bigint, p_contra_kind text,
    p_source text, p_reference text, p_reason text, p_rule bigint, p_reverses uuid, p_follows uuid, p_channel uuid,
    p_available_at timestamptz, p_expires_at timestamptz, p_due_at timestamptz, p_now timestamptz,
    OUT entry loyalty_entry
) LANGUAGE plpgsql VOLATILE AS $$
-- Write one entry and the balance it leaves. Points and a debt never lie side by side: what is available settles it.
DECLARE
    v_settled bigint := greatest(0, least(account.available + p_available, account.debt + p_debt));
BEGIN
    IF v_settled > 0 THEN
        PERFORM loyalty_take(account.id, p_entry, v_settled, FALSE);
    END IF;
    INSERT INTO loyalty_entry AS e (
        id, account_id, kind, available, pending, held, debt, contra, contra_kind, source, reference, reason,
        rule_id, reverses_id, follows_id, channel_id, available_after, version, available_at, expires_at, created_at)
    VALUES (
        p_entry, account.id, p_kind, p_available - v_settled, p_pending, p_held, p_debt - v_settled, p_contra, p_contra_kind,
        p_source, p_reference, p_reason, p_rule, p_reverses, p_follows, p_channel,
        account.available + p_available - v_settled, account.version + 1, p_available_at, p_expires_at, p_now)
    RETURNING e.* INTO entry;
    UPDATE loyalty_account AS a
    SET available = entry.available_after, pending = a.pending + p_pending, held = a.held + p_held,
        debt = a.debt + entry.debt, version = entry.version, due_at = least(a.due_at, p_due_at), updated_at = p_now
    WHERE a.id = account.id
    RETURNING a.* INTO account;
END $$;
"""

INSTANT = """
CREATE FUNCTION loyalty_instant(p_at timestamptz) RETURNS text LANGUAGE sql STABLE AS $$
    -- As the contract says times: RFC 3339, UTC, milliseconds.
    SELECT to_char(p_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')
$$;
"""

POST = """
CREATE FUNCTION loyalty_post(
    p_member uuid, p_entry uuid, p_kind text,
    INOUT p_available bigint, INOUT p_pending bigint, p_held bigint, INOUT p_debt bigint, p_contra_kind text,
    p_source text, p_reference text, p_reason text, p_rule bigint, p_reverses uuid, p_channel uuid,
    INOUT p_available_at timestamptz, INOUT p_expires_at timestamptz, p_valid_days integer, p_hold_seconds integer,
    p_owe boolean,
    p_fact uuid, p_subject text, p_type text, p_from text, p_actor text, p_correlation text, p_groups text, p_place text,
    OUT outcome text, OUT is_due boolean, OUT known uuid, OUT posted_at timestamptz,
    OUT o_account uuid, OUT o_available bigint, OUT o_pending bigint, OUT o_held bigint, OUT o_debt bigint, OUT o_version bigint
) LANGUAGE plpgsql VOLATILE AS $$
-- What was asked for as it was done, the account and its balance afterwards; of a known entry its id. Rows of a type of
-- their own, and what RETURNING gives, would cost a tenth of the whole; each expression here costs a microsecond.
-- A posting with a `p_fact` records it too, with the data of `loyalty.told.as_posted` (`p_place`: the channel's code).
DECLARE
    v_contra bigint := p_debt - p_available - p_pending - p_held;
    v_given bigint;  -- to a lot of this entry
    v_absorbed uuid[];
    v_due_at timestamptz;
    v_undone bigint;
    v_made record;
BEGIN
    SELECT a.id, a.available, a.pending, a.held, a.debt, a.version, a.absorbed, a.due_at
    INTO o_account, o_available, o_pending, o_held, o_debt, o_version, v_absorbed, v_due_at
    FROM loyalty_account a WHERE a.member_id = p_member FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        INSERT INTO loyalty_account (id, member_id, available, pending, held, debt, absorbed, version)
        VALUES (hub_uuid7(), p_member, 0, 0, 0, 0, '{}', 0)
        ON CONFLICT (member_id) DO NOTHING;
        SELECT a.id, a.available, a.pending, a.held, a.debt, a.version, a.absorbed, a.due_at
        INTO o_account, o_available, o_pending, o_held, o_debt, o_version, v_absorbed, v_due_at
        FROM loyalty_account a WHERE a.member_id = p_member FOR NO KEY UPDATE;
    END IF;
    posted_at := clock_timestamp();  -- after the lock: the time that decides
    IF v_due_at <= posted_at THEN  -- loyalty_settle() comes first, with entries and news of its own
        outcome := 'due';
        RETURN;
    END IF;

    -- Used before, here or on an account this one absorbed: the same fact, or another one under its name.
    IF v_absorbed = '{}' THEN
        SELECT e.id INTO known FROM loyalty_entry e
        WHERE e.source = p_source AND e.account_id = o_account AND e.reference = p_reference;
    ELSE
        SELECT e.id INTO known FROM loyalty_entry e
        WHERE e.source = p_source AND e.account_id = ANY (o_account || v_absorbed) AND e.reference = p_reference
        ORDER BY e.kind = p_kind AND e.contra = v_contra DESC, e.account_id = o_account DESC
        LIMIT 1;
    END IF;
    IF FOUND THEN
        SELECT CASE WHEN e.kind = p_kind AND e.contra = v_contra AND e.reason = p_reason
            AND (p_kind <> 'held' OR e.held = p_held)
            AND (e.available_at IS NOT DISTINCT FROM p_available_at
                 OR (p_available_at IS NULL AND e.available_at = e.created_at))
            AND (p_expires_at IS NULL OR e.expires_at IS NOT DISTINCT FROM p_expires_at)
            AND e.reverses_id IS NOT DISTINCT FROM p_reverses
            THEN 'known' ELSE 'conflict' END
        INTO outcome FROM loyalty_entry e WHERE e.id = known;
        RETURN;
    END IF;

    IF p_reverses IS NULL AND p_available >= 0 AND p_kind <> 'moved' AND NOT (p_owe AND v_contra > 0) THEN
        v_given := p_available + p_pending;
    ELSE
        IF p_reverses IS NOT NULL THEN  -- no more than is left of what it reverses, and the other way round
            SELECT e.contra + coalesce((SELECT sum(r.contra) FROM loyalty_entry r WHERE r.reverses_id = e.id), 0)
            INTO v_undone FROM loyalty_entry e WHERE e.id = p_reverses;
            IF sign(v_undone) * sign(v_contra) >= 0 OR abs(v_contra) > abs(v_undone) THEN
                outcome := 'over';
                RETURN;
            END IF;
        END IF;
        IF p_kind = 'moved' THEN
            NULL;  -- between the accounts of merged members: the lots go by themselves
        ELSIF p_owe AND v_contra > 0 THEN
            SELECT -t.available, -t.pending, t.missing INTO p_available, p_pending, p_debt
            FROM loyalty_take_back(o_account, p_entry, v_contra, p_reverses) t;
        ELSIF p_available < 0 THEN
            IF o_available + p_available < 0 THEN
                outcome := 'short';
                RETURN;
            END IF;
            PERFORM loyalty_take(o_account, p_entry, -p_available, p_kind = 'held');
        ELSE
            SELECT g.missing, least(v_due_at, g.due_at) INTO v_given, v_due_at
            FROM loyalty_give_back(o_account, p_entry, p_available, p_reverses, posted_at) g;
        END IF;
    END IF;

    IF p_pending > 0 AND p_available_at <= posted_at THEN  -- what was to come has come
        p_available := p_available + p_pending;
        p_pending := 0;
    END IF;
    IF v_given > 0 THEN
        p_expires_at := coalesce(p_expires_at, loyalty_expiry(greatest(posted_at, p_available_at), p_valid_days));
        v_due_at := least(v_due_at, p_expires_at, CASE WHEN p_pending > 0 THEN p_available_at END);
        INSERT INTO loyalty_lot (
            entry_id, account_id, origin, earned, remaining, held, is_pending, available_at, expires_at)
        VALUES (
            p_entry, o_account, o_account, v_given, v_given, 0, p_pending > 0,
            CASE WHEN p_pending > 0 THEN p_available_at ELSE coalesce(p_available_at, posted_at) END, p_expires_at);
    ELSIF p_kind = 'held' THEN
        p_expires_at := posted_at + make_interval(secs => p_hold_seconds);
        v_due_at := least(v_due_at, p_expires_at);
    END IF;
    IF p_available_at IS NULL AND p_pending = 0 AND p_kind = 'earned' THEN
        p_available_at := posted_at;
    END IF;

    IF o_debt = 0 AND p_debt = 0 THEN  -- what loyalty_enter() does where there is no debt, without the call
        o_available := o_available + p_available;
        o_pending := o_pending + p_pending;
        o_held := o_held + p_held;
        o_version := o_version + 1;
        INSERT INTO loyalty_entry (
            id, account_id, kind, available, pending, held, debt, contra, contra_kind, source, reference, reason,
            rule_id, reverses_id, channel_id, available_after, version, available_at, expires_at, created_at)
        VALUES (
            p_entry, o_account, p_kind, p_available, p_pending, p_held, 0, v_contra, p_contra_kind, p_source,
            p_reference, p_reason, p_rule, p_reverses, p_channel, o_available, o_version, p_available_at, p_expires_at,
            posted_at);
        UPDATE loyalty_account a
        SET available = o_available, pending = o_pending, held = o_held, version = o_version, due_at = v_due_at,
            updated_at = posted_at
        WHERE a.id = o_account;
    ELSE
        SELECT n.* INTO v_made FROM loyalty_account a, loyalty_enter(
            a, p_entry, p_kind, p_available, p_pending, p_held, p_debt, v_contra, p_contra_kind, p_source,
            p_reference, p_reason, p_rule, p_reverses, NULL, p_channel, p_available_at, p_expires_at, v_due_at,
            posted_at) n
        WHERE a.id = o_account;
        p_available := (v_made.entry).available;
        p_debt := (v_made.entry).debt;
        o_available := (v_made.account).available;
        o_pending := (v_made.account).pending;
        o_held := (v_made.account).held;
        o_debt := (v_made.account).debt;
        o_version := (v_made.account).version;
    END IF;
    IF p_kind = 'held' THEN
        INSERT INTO loyalty_hold (
            entry_id, account_id, channel_id, source, reference, points, captured, state, expires_at, created_at)
        VALUES (p_entry, o_account, p_channel, p_source, p_reference, p_held, 0, 'held', p_expires_at, posted_at);
    END IF;
    IF p_fact IS NOT NULL THEN
        PERFORM sync_record(
            p_fact, p_subject, p_type, p_from, p_actor, p_correlation, p_groups,
            jsonb_build_object(
                'entry', jsonb_build_object(
                    'id', p_entry, 'kind', substr(p_type, 8),
                    'points', CASE WHEN v_contra <> 0 THEN -v_contra ELSE -(p_pending + p_held) END,
                    'available_after', o_available, 'reference', p_reference, 'channel', p_place,
                    'created_at', loyalty_instant(posted_at), 'available_at', loyalty_instant(p_available_at),
                    'expires_at', loyalty_instant(p_expires_at)),
                'balance', jsonb_build_object(
                    'available', o_available, 'pending', o_pending, 'held', o_held, 'debt', o_debt,
                    'version', o_version)));
    END IF;
    is_due := v_due_at <= clock_timestamp();
    outcome := 'posted';
END $$;
"""

CLOSE_HOLD = """
CREATE FUNCTION loyalty_close_hold(
    p_hold uuid, p_points bigint,
    OUT outcome text, OUT captured loyalty_entry, OUT after_capture loyalty_account,
    OUT released loyalty_entry, OUT after_release loyalty_account
) LANGUAGE plpgsql VOLATILE AS $$
-- Capture so many points of a hold and release the others; none captured is a release.
DECLARE
    account loyalty_account;
    v_hold loyalty_hold;
    v_made record;
    v_entry uuid;
    v_now timestamptz;
    v_due_at timestamptz;
BEGIN
    SELECT a.* INTO account FROM loyalty_account a
    WHERE a.id = (SELECT h.account_id FROM loyalty_hold h WHERE h.entry_id = p_hold) FOR NO KEY UPDATE;
    v_now := clock_timestamp();
    IF account.due_at <= v_now THEN
        outcome := 'due';
        RETURN;
    END IF;
    SELECT h.* INTO v_hold FROM loyalty_hold h WHERE h.entry_id = p_hold;
    IF v_hold.state <> 'held' THEN
        outcome := 'closed';
        RETURN;
    ELSIF p_points > v_hold.points THEN
        outcome := 'over';
        RETURN;
    END IF;

    UPDATE loyalty_hold h
    SET state = CASE WHEN p_points > 0 THEN 'captured' ELSE 'released' END, captured = p_points, closed_at = v_now
    WHERE h.entry_id = p_hold;
    IF p_points > 0 THEN
        v_entry := hub_uuid7();
        PERFORM loyalty_unhold(p_hold, v_entry, p_points, FALSE);
        SELECT * INTO v_made FROM loyalty_enter(
            account, v_entry, 'spent', 0, 0, -p_points, 0, p_points, 'redeemed', 'captured', p_hold::text, '',
            NULL, NULL, p_hold, v_hold.channel_id, NULL, NULL, NULL, v_now);
        account := v_made.account;
        captured := v_made.entry;
        after_capture := account;
    END IF;
    IF p_points < v_hold.points THEN
        v_entry := hub_uuid7();
        SELECT u.due_at INTO v_due_at FROM loyalty_unhold(p_hold, v_entry, v_hold.points - p_points, TRUE) u;
        SELECT * INTO v_made FROM loyalty_enter(
            account, v_entry, 'released', v_hold.points - p_points, 0, p_points - v_hold.points, 0, 0, '', 'released',
            p_hold::text, '', NULL, NULL, p_hold, v_hold.channel_id, NULL, NULL, v_due_at, v_now);
        account := v_made.account;
        released := v_made.entry;
        after_release := account;
    END IF;
    outcome := 'closed now';
END $$;
"""

SETTLE = """
CREATE FUNCTION loyalty_settle(p_account uuid) RETURNS TABLE (entry loyalty_entry, account loyalty_account)
LANGUAGE plpgsql VOLATILE AS $$
-- What time has done to an account, in its order however late somebody looks: up to each moment at which holds ran out or
-- the day of pending lots came, the lots that expired before are emptied; then those are released.
DECLARE
    v_hold loyalty_hold;
    v_lot loyalty_lot;
    v_made record;
    v_entry uuid;
    v_due_at timestamptz;
    v_opens_at timestamptz;
    v_now timestamptz;
    v_available bigint;
    v_pending bigint;
BEGIN
    SELECT a.* INTO account FROM loyalty_account a WHERE a.id = p_account FOR NO KEY UPDATE;
    v_now := clock_timestamp();
    v_due_at := account.due_at;
    IF v_due_at IS NULL OR v_due_at > v_now THEN
        RETURN;
    END IF;

    WHILE v_due_at <= v_now LOOP
        v_opens_at := least(
            (SELECT min(h.expires_at) FROM loyalty_hold h WHERE h.account_id = p_account AND h.state = 'held'),
            (SELECT min(l.available_at) FROM loyalty_lot l
             WHERE l.account_id = p_account AND l.remaining > 0 AND l.is_pending));

        v_entry := hub_uuid7();
        WITH expired AS (
            SELECT l.entry_id, l.remaining, l.is_pending FROM loyalty_lot l
            WHERE l.account_id = p_account AND l.remaining > 0 AND l.expires_at <= v_now
                AND (v_opens_at > v_now OR l.expires_at < v_opens_at) IS NOT FALSE
        ), emptied AS (
            UPDATE loyalty_lot l SET remaining = 0 FROM expired x WHERE l.entry_id = x.entry_id
        ), journal AS (
            INSERT INTO loyalty_draw (entry_id, lot_id, remaining, held)
            SELECT v_entry, x.entry_id, -x.remaining, 0 FROM expired x ORDER BY x.entry_id
        )
        SELECT coalesce(sum(x.remaining) FILTER (WHERE NOT x.is_pending), 0),
            coalesce(sum(x.remaining) FILTER (WHERE x.is_pending), 0)
        INTO v_available, v_pending FROM expired x;
        IF v_available + v_pending > 0 THEN
            SELECT * INTO v_made FROM loyalty_enter(
                account, v_entry, 'expired', -v_available, -v_pending, 0, 0, v_available + v_pending, 'expired', 'expiry',
                to_char(v_now AT TIME ZONE 'Asia/Shanghai', 'YYYY-MM-DD/') || account.version + 1, '',
                NULL, NULL, NULL, NULL, NULL, NULL, NULL, v_now);
            account := v_made.account;
            entry := v_made.entry;
            RETURN NEXT;
        END IF;

        FOR v_hold IN
            SELECT h.* FROM loyalty_hold h
            WHERE h.account_id = p_account AND h.state = 'held' AND h.expires_at <= least(v_opens_at, v_now)
            ORDER BY h.expires_at, h.entry_id
        LOOP
            v_entry := hub_uuid7();
            UPDATE loyalty_hold h SET state = 'expired', closed_at = v_now WHERE h.entry_id = v_hold.entry_id;
            PERFORM loyalty_unhold(v_hold.entry_id, v_entry, v_hold.points, TRUE);
            SELECT * INTO v_made FROM loyalty_enter(
                account, v_entry, 'released', v_hold.points, 0, -v_hold.points, 0, 0, '', 'released', v_hold.entry_id::text,
                '', NULL, NULL, v_hold.entry_id, v_hold.channel_id, NULL, NULL, NULL, v_now);
            account := v_made.account;
            entry := v_made.entry;
            RETURN NEXT;
        END LOOP;

        FOR v_lot IN
            SELECT l.* FROM loyalty_lot l
            WHERE l.account_id = p_account AND l.is_pending AND l.remaining > 0 AND l.available_at <= least(v_opens_at, v_now)
            ORDER BY l.available_at, l.entry_id
        LOOP
            v_entry := hub_uuid7();
            UPDATE loyalty_lot l SET is_pending = FALSE WHERE l.entry_id = v_lot.entry_id;
            SELECT * INTO v_made FROM loyalty_enter(
                account, v_entry, 'released', v_lot.remaining, -v_lot.remaining, 0, 0, 0, '', 'available',
                v_lot.entry_id::text, '', NULL, NULL, v_lot.entry_id,
                (SELECT e.channel_id FROM loyalty_entry e WHERE e.id = v_lot.entry_id),
                NULL, v_lot.expires_at, NULL, v_now);
            account := v_made.account;
            entry := v_made.entry;
            RETURN NEXT;
        END LOOP;

        v_due_at := least(
            (SELECT min(h.expires_at) FROM loyalty_hold h WHERE h.account_id = p_account AND h.state = 'held'),
            (SELECT least(min(l.expires_at), min(l.available_at) FILTER (WHERE l.is_pending))
             FROM loyalty_lot l WHERE l.account_id = p_account AND l.remaining > 0));
    END LOOP;
    UPDATE loyalty_account a SET due_at = v_due_at WHERE a.id = p_account;
END $$;

CREATE FUNCTION loyalty_expire_many(p_accounts uuid[], p_now timestamptz)
RETURNS TABLE (settled uuid, entry loyalty_entry, account loyalty_account) LANGUAGE plpgsql VOLATILE AS $$
-- What loyalty_settle() does, by set, to those of these locked accounts on which nothing but the end of lots is due.
BEGIN
    RETURN QUERY
    WITH lots AS MATERIALIZED (
        SELECT l.entry_id, l.account_id, l.remaining, l.is_pending, l.available_at, l.expires_at,
            (l.expires_at <= p_now) IS TRUE AS is_over  -- what never ends is not over
        FROM loyalty_lot l WHERE l.account_id = ANY (p_accounts) AND l.remaining > 0
    ), holds AS (
        SELECT h.account_id, min(h.expires_at) AS due_at FROM loyalty_hold h
        WHERE h.account_id = ANY (p_accounts) AND h.state = 'held' GROUP BY h.account_id
    ), sums AS (
        SELECT l.account_id,
            coalesce(sum(l.remaining) FILTER (WHERE l.is_over AND NOT l.is_pending), 0)::bigint AS available,
            coalesce(sum(l.remaining) FILTER (WHERE l.is_over AND l.is_pending), 0)::bigint AS pending,
            least(min(l.expires_at) FILTER (WHERE NOT l.is_over),
                min(l.available_at) FILTER (WHERE l.is_pending AND NOT l.is_over)) AS due_at
        FROM lots l GROUP BY l.account_id
        HAVING bool_or(l.is_over) AND coalesce(min(l.available_at) FILTER (WHERE l.is_pending) > p_now, TRUE)
    ), over AS MATERIALIZED (
        SELECT hub_uuid7() AS entry_id, s.*, least(s.due_at, h.due_at) AS next_due_at
        FROM sums s LEFT JOIN holds h ON h.account_id = s.account_id
        WHERE coalesce(h.due_at > p_now, TRUE)
    ), emptied AS (
        UPDATE loyalty_lot l SET remaining = 0 FROM lots x JOIN over o ON o.account_id = x.account_id
        WHERE x.is_over AND l.entry_id = x.entry_id
    ), journal AS (
        INSERT INTO loyalty_draw (entry_id, lot_id, remaining, held)
        SELECT o.entry_id, x.entry_id, -x.remaining, 0 FROM lots x JOIN over o ON o.account_id = x.account_id
        WHERE x.is_over ORDER BY x.entry_id
    ), accounts AS (
        UPDATE loyalty_account a SET available = a.available - o.available, pending = a.pending - o.pending,
            version = a.version + 1, due_at = o.next_due_at, updated_at = p_now
        FROM over o WHERE a.id = o.account_id
        RETURNING o.entry_id, o.available AS available_gone, o.pending AS pending_gone, a AS account
    ), entries AS (
        INSERT INTO loyalty_entry AS e (
            id, account_id, kind, available, pending, held, debt, contra, contra_kind, source, reference, reason,
            available_after, version, created_at)
        SELECT c.entry_id, (c.account).id, 'expired', -c.available_gone, -c.pending_gone, 0, 0,
            c.available_gone + c.pending_gone, 'expired', 'expiry',
            to_char(p_now AT TIME ZONE 'Asia/Shanghai', 'YYYY-MM-DD/') || (c.account).version, '',
            (c.account).available, (c.account).version, p_now
        FROM accounts c
        RETURNING e AS entry
    )
    SELECT (c.account).id, n.entry, c.account FROM entries n JOIN accounts c ON c.entry_id = (n.entry).id;
END $$;

CREATE FUNCTION loyalty_settle_due(p_accounts integer)
RETURNS TABLE (settled uuid, entry loyalty_entry, account loyalty_account) LANGUAGE plpgsql VOLATILE AS $$
-- The same for so many accounts that are due, the longest due first; who is at work on one settles it himself.
DECLARE
    v_due uuid[] := ARRAY(
        SELECT a.id FROM loyalty_account a WHERE a.due_at <= clock_timestamp()
        ORDER BY a.due_at LIMIT p_accounts FOR NO KEY UPDATE SKIP LOCKED);
    v_now timestamptz := clock_timestamp();
    v_made record;
BEGIN
    RETURN QUERY SELECT x.* FROM loyalty_expire_many(v_due, v_now) x;
    FOR settled IN
        SELECT a.id FROM loyalty_account a WHERE a.id = ANY (v_due) AND a.due_at <= v_now ORDER BY a.due_at
    LOOP
        entry := NULL;
        FOR v_made IN SELECT s.entry, s.account FROM loyalty_settle(settled) s LOOP
            entry := v_made.entry;
            account := v_made.account;
            RETURN NEXT;
        END LOOP;
        IF entry IS NULL THEN
            RETURN NEXT;  -- nothing was due after all: still one account less
        END IF;
    END LOOP;
END $$;
"""

POST_MANY = """
CREATE FUNCTION loyalty_post_many(
    p_entries uuid[], p_members uuid[], p_points bigint[], p_references text[],
    p_kind text, p_contra_kind text, p_source text, p_reason text, p_rule bigint, p_channel uuid,
    p_expires_at timestamptz, p_valid_days integer
) RETURNS TABLE (
    nth bigint, outcome text, entry_id uuid, available bigint, pending bigint, held bigint, debt bigint, version bigint,
    expires_at timestamptz, created_at timestamptz
) LANGUAGE plpgsql VOLATILE AS $$
-- Give available points to thousands in one statement: insert what is new, then add up what was inserted. An account that
-- owes, is due, or has absorbed another is left to be posted to singly: there the order of things matters.
DECLARE
    v_now timestamptz;
    v_expires_at timestamptz;
    v_single uuid[];
BEGIN
    INSERT INTO loyalty_account (id, member_id, available, pending, held, debt, absorbed, version)
    SELECT hub_uuid7(), m.id, 0, 0, 0, 0, '{}', 0 FROM (
        SELECT DISTINCT unnest(p_members) AS id EXCEPT SELECT a.member_id FROM loyalty_account a WHERE a.member_id = ANY (p_members)
    ) m ORDER BY m.id
    ON CONFLICT (member_id) DO NOTHING;
    PERFORM FROM loyalty_account a WHERE a.member_id = ANY (p_members) ORDER BY a.member_id FOR NO KEY UPDATE;
    v_now := clock_timestamp();
    v_expires_at := coalesce(p_expires_at, loyalty_expiry(v_now, p_valid_days));
    SELECT coalesce(array_agg(a.member_id), '{}') INTO v_single FROM loyalty_account a
    WHERE a.member_id = ANY (p_members) AND (a.debt > 0 OR a.due_at <= v_now OR a.absorbed <> '{}');

    RETURN QUERY
    WITH asked AS (
        SELECT r.*, a.id AS account, a.available AS before, a.pending AS pending, a.held AS held, a.version AS last
        FROM unnest(p_entries, p_members, p_points, p_references) WITH ORDINALITY AS r(id, member, points, reference, n)
        JOIN loyalty_account a ON a.member_id = r.member
        WHERE NOT r.member = ANY (v_single)
    ), known AS (
        SELECT q.n, e.id, e.kind = p_kind AND e.contra = -q.points AND e.reason = p_reason AS same
        FROM asked q CROSS JOIN LATERAL (  -- each by the index, however many entries an account has
            SELECT * FROM loyalty_entry o
            WHERE o.source = p_source AND o.account_id = q.account AND o.reference = q.reference LIMIT 1
        ) e
    ), fresh AS (
        SELECT q.*, row_number() OVER (PARTITION BY q.account, q.reference ORDER BY q.n) AS nth_time,
            first_value(q.id) OVER (PARTITION BY q.account, q.reference ORDER BY q.n) AS first_id,
            first_value(q.points) OVER (PARTITION BY q.account, q.reference ORDER BY q.n) AS first_points
        FROM asked q WHERE NOT EXISTS (SELECT FROM known k WHERE k.n = q.n)
    ), placed AS (
        SELECT f.*, f.before + sum(f.points) OVER w AS after, f.last + row_number() OVER w AS v
        FROM fresh f WHERE f.nth_time = 1 WINDOW w AS (PARTITION BY f.account ORDER BY f.n)
    ), entries AS (
        INSERT INTO loyalty_entry (
            id, account_id, kind, available, pending, held, debt, contra, contra_kind, source, reference, reason,
            rule_id, channel_id, available_after, version, available_at, expires_at, created_at)
        SELECT l.id, l.account, p_kind, l.points, 0, 0, 0, -l.points, p_contra_kind, p_source, l.reference, p_reason,
            p_rule, p_channel, l.after, l.v, CASE WHEN p_kind = 'earned' THEN v_now END, v_expires_at, v_now
        FROM placed l
    ), lots AS (
        INSERT INTO loyalty_lot (
            entry_id, account_id, origin, earned, remaining, held, is_pending, available_at, expires_at)
        SELECT l.id, l.account, l.account, l.points, l.points, 0, FALSE, v_now, v_expires_at FROM placed l
    ), accounts AS (
        UPDATE loyalty_account a SET available = a.available + s.points, version = a.version + s.n,
            due_at = least(a.due_at, v_expires_at), updated_at = v_now
        FROM (SELECT l.account, sum(l.points)::bigint AS points, count(*) AS n FROM placed l GROUP BY l.account) s
        WHERE a.id = s.account
    )
    SELECT l.n, 'posted', l.id, l.after::bigint, l.pending, l.held, 0::bigint, l.v, v_expires_at, v_now FROM placed l
    UNION ALL
    SELECT f.n, CASE WHEN f.points = f.first_points THEN 'known' ELSE 'conflict' END, f.first_id,
        NULL, NULL, NULL, NULL, NULL, NULL, NULL FROM fresh f WHERE f.nth_time > 1
    UNION ALL
    SELECT k.n, CASE WHEN k.same THEN 'known' ELSE 'conflict' END, k.id, NULL, NULL, NULL, NULL, NULL, NULL, NULL
    FROM known k
    UNION ALL
    SELECT r.n, 'single', r.id, NULL, NULL, NULL, NULL, NULL, NULL, NULL
    FROM unnest(p_entries, p_members) WITH ORDINALITY AS r(id, member, n) WHERE r.member = ANY (v_single);
END $$;
"""

DROP = """
DROP FUNCTION loyalty_post_many(uuid[], uuid[], bigint[], text[], text, text, text, text, bigint, uuid, timestamptz, integer);
DROP FUNCTION loyalty_settle_due(integer);
DROP FUNCTION loyalty_expire_many(uuid[], timestamptz);
DROP FUNCTION loyalty_settle(uuid);
DROP FUNCTION loyalty_close_hold(uuid, bigint);
DROP FUNCTION loyalty_post(uuid, uuid, text, bigint, bigint, bigint, bigint, text, text, text, text, bigint, uuid, uuid,
    timestamptz, timestamptz, integer, integer, boolean, uuid, text, text, text, text, text, text, text);
DROP FUNCTION loyalty_instant(timestamptz);
DROP FUNCTION loyalty_enter(loyalty_account, uuid, text, bigint, bigint, bigint, bigint, bigint, text, text, text, text,
    bigint, uuid, uuid, uuid, timestamptz, timestamptz, timestamptz, timestamptz);
DROP FUNCTION loyalty_unhold(uuid, uuid, bigint, boolean);
DROP FUNCTION loyalty_give_back(uuid, uuid, bigint, uuid, timestamptz);
DROP FUNCTION loyalty_take_back(uuid, uuid, bigint, uuid);
DROP FUNCTION loyalty_take(uuid, uuid, bigint, boolean);
DROP FUNCTION loyalty_expiry(timestamptz, integer);
DROP FUNCTION hub_uuid7();
"""


# What an entry or a lot belongs to is there before it (but for a lot's entry, which follows): PostgreSQL may look at once.
# Checks kept for the end of the transaction are a list of their own, worked off when nothing is at hand any more.
REFERENCES = """
DO $$
DECLARE
    v_table regclass;
    v_name name;
BEGIN
    FOR v_table, v_name IN SELECT conrelid::regclass, conname FROM pg_constraint
        WHERE contype = 'f' AND (conrelid = 'loyalty_entry'::regclass
            OR (conrelid = 'loyalty_lot'::regclass AND confrelid = 'loyalty_account'::regclass))
    LOOP
        EXECUTE format('ALTER TABLE %s ALTER CONSTRAINT %I DEFERRABLE INITIALLY {when}', v_table, v_name);
    END LOOP;
END $$
"""


class Migration(migrations.Migration):
    dependencies = [("loyalty", "0001_initial"), ("sync", "0002_settle")]

    operations = [
        migrations.RunSQL(
            UUID7 + EXPIRY + TAKE + TAKE_BACK + GIVE_BACK + UNHOLD + ENTER + INSTANT + POST + CLOSE_HOLD + SETTLE + POST_MANY,
            DROP,
        ),
        # Every posting changes its account's row: room beside it keeps the change on its page, without new index rows.
        migrations.RunSQL(
            "ALTER TABLE loyalty_account SET (fillfactor = 75)", "ALTER TABLE loyalty_account RESET (fillfactor)"
        ),
        migrations.RunSQL(REFERENCES.format(when="IMMEDIATE"), REFERENCES.format(when="DEFERRED")),
    ]

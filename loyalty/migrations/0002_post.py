"""The ledger's one statement: `loyalty_post()` (DESIGN §4, §5)."""

from django.db import migrations

POST = """
CREATE FUNCTION loyalty_post(
    p_member uuid, p_account uuid, p_entry uuid, p_kind text,
    p_available bigint, p_pending bigint, p_held bigint, p_debt bigint, p_contra_kind text,
    p_source text, p_reference text, p_reason text, p_rule bigint, p_reverses uuid, p_channel uuid,
    p_available_at timestamptz, p_expires_at timestamptz, p_owe boolean,
    OUT outcome text, OUT entry loyalty_entry, OUT account loyalty_account
) LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    v_available bigint := p_available;
    v_pending bigint := p_pending;
    v_debt bigint := p_debt;
    v_contra bigint := p_debt - p_available - p_pending - p_held;
    v_settled bigint;
    v_now timestamptz;
BEGIN
    SELECT a.* INTO account FROM loyalty_account a WHERE a.member_id = p_member FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        INSERT INTO loyalty_account
            (id, member_id, available, pending, held, debt, qualifying_fen, absorbed, version)
        VALUES (p_account, p_member, 0, 0, 0, 0, 0, '{}', 0)
        ON CONFLICT (member_id) DO NOTHING;
        SELECT a.* INTO account FROM loyalty_account a WHERE a.member_id = p_member FOR NO KEY UPDATE;
    END IF;
    v_now := clock_timestamp();  -- after the lock: the time that decides

    -- Used before, here or on an account this one absorbed: the same fact, or another one under its name.
    SELECT e.* INTO entry FROM loyalty_entry e
    WHERE e.source = p_source AND e.account_id = ANY (account.id || account.absorbed) AND e.reference = p_reference
    ORDER BY e.kind = p_kind AND e.contra = v_contra DESC, e.account_id = account.id DESC
    LIMIT 1;
    IF FOUND THEN
        outcome := CASE WHEN entry.kind = p_kind AND entry.contra = v_contra AND entry.reason = p_reason
            AND (entry.available_at IS NOT DISTINCT FROM p_available_at
                 OR (p_available_at IS NULL AND entry.available_at = entry.created_at))
            AND entry.expires_at IS NOT DISTINCT FROM p_expires_at
            AND entry.reverses_id IS NOT DISTINCT FROM p_reverses
            THEN 'known' ELSE 'conflict' END;
        RETURN;
    END IF;

    IF v_pending > 0 AND p_available_at <= v_now THEN  -- what was to come has come
        v_available := v_available + v_pending;
        v_pending := 0;
    END IF;
    IF p_owe AND account.pending + v_pending < 0 THEN  -- what is not there comes out of available, then is owed
        v_available := v_available + account.pending + v_pending;
        v_pending := -account.pending;
    END IF;
    IF p_owe AND account.available + v_available < 0 THEN
        v_debt := v_debt - account.available - v_available;
        v_available := -account.available;
    END IF;
    IF account.available + v_available < 0 THEN
        outcome := 'short';
        RETURN;
    END IF;
    v_settled := least(account.available + v_available, account.debt + v_debt);
    IF v_settled > 0 THEN  -- points and a debt never lie side by side
        v_available := v_available - v_settled;
        v_debt := v_debt - v_settled;
    END IF;

    INSERT INTO loyalty_entry AS e (
        id, account_id, kind, available, pending, held, debt, contra, contra_kind, source, reference, reason,
        rule_id, reverses_id, channel_id, available_after, version, available_at, expires_at, created_at)
    VALUES (
        p_entry, account.id, p_kind, v_available, v_pending, p_held, v_debt, v_contra, p_contra_kind,
        p_source, p_reference, p_reason, p_rule, p_reverses, p_channel,
        account.available + v_available, account.version + 1,
        CASE WHEN p_kind = 'earned' AND v_pending = 0 THEN coalesce(p_available_at, v_now) ELSE p_available_at END,
        p_expires_at, v_now)
    RETURNING e.* INTO entry;
    UPDATE loyalty_account AS a
    SET available = a.available + v_available, pending = a.pending + v_pending, held = a.held + p_held,
        debt = a.debt + v_debt, version = a.version + 1, updated_at = v_now
    WHERE a.id = account.id
    RETURNING a.* INTO account;
    outcome := 'posted';
END $$;
"""


class Migration(migrations.Migration):
    dependencies = [("loyalty", "0001_initial")]

    operations = [
        migrations.RunSQL(
            POST,
            "DROP FUNCTION loyalty_post(uuid, uuid, uuid, text, bigint, bigint, bigint, bigint, text, text, text, text,"
            " bigint, uuid, uuid, timestamptz, timestamptz, boolean)",
        )
    ]

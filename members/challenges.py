"""SMS challenges: six digits on their way to a phone, bound to purpose, phone, session, channel and case.

Tries are counted by a statement of their own before the code is compared, so that they stand when the act refuses.
"""

import secrets
from datetime import timedelta
from hmac import compare_digest
from uuid import UUID

from django.db import connection

from members import sms
from members.models import SmsChallenge
from sync import clock, quotas
from sync.http import Problem
from sync.models import Channel
from sync.secret import blind_index, keyed_digest

LIFETIME, RESEND, TRIES = timedelta(minutes=5), timedelta(seconds=60), 5
HOUR, DAY = 3600, 86_400
PER_PHONE = ((1, 60), (5, HOUR), (10, DAY))  # (messages, seconds)
PER_ADDRESS = ((20, HOUR), (60, DAY))
EVERYBODY = ((300, 60), (5_000, HOUR))

TRY = """
UPDATE members_smschallenge SET tries = tries + 1
WHERE id = %s AND tries < %s AND used_at IS NULL AND expires_at > clock_timestamp() RETURNING id
"""


def ask(
    *,
    purpose: str,
    phone: str,
    channel: Channel,
    address: str,
    session: UUID | None = None,
    case: UUID | None = None,
) -> SmsChallenge:
    """Keep a new challenge and send its code. Known and unknown numbers take the same way.

    Raises Problem `rate_limited` beyond the quotas of the phone, of (channel, address) and of everybody together,
    `unavailable` when the gateway does not answer. Call it outside a transaction.
    """
    _count(phone, channel, address)
    code = f"{secrets.randbelow(10**6):06d}"
    challenge = SmsChallenge(purpose=purpose, phone=phone, channel=channel, session_id=session, case_id=case)
    challenge.expires_at = clock.now() + LIFETIME
    challenge.code_digest = keyed_digest(code, _bound_to(challenge))
    challenge.save(force_insert=True)
    sms.send(phone=phone, code=code, challenge_id=challenge.id)
    return challenge


def _count(phone: str, channel: Channel, address: str) -> None:
    """Who asks comes first: beyond their own quota they use up nobody else's."""
    who, where = blind_index("sms-phone", phone).hex()[:32], blind_index("sms-address", address).hex()[:32]
    counted = ((f"sms/{channel.code}/{where}", PER_ADDRESS), (f"sms/{who}", PER_PHONE), ("sms", EVERYBODY))
    for what, limits in counted:
        for limit, every in limits:
            quotas.count(what, limit=limit, every=every)


def attempt(
    challenge_id: UUID,
    code: str,
    *,
    purpose: str,
    channel: Channel,
    session: UUID | None = None,
    case: UUID | None = None,
) -> SmsChallenge:
    """The challenge whose code this is; a try is spent either way. `challenge.phone` is what it proves.

    Raises Problem `too_many_attempts` after five tries, `code_invalid` for all else. Call it outside a transaction.
    """
    with connection.cursor() as cursor:
        cursor.execute(TRY, [challenge_id, TRIES])
        counted = cursor.fetchone()
    challenge = SmsChallenge.objects.filter(pk=challenge_id).first()
    if counted is None:
        spent = challenge and challenge.used_at is None and challenge.tries >= TRIES
        raise Problem("too_many_attempts" if spent else "code_invalid")
    asked_for = (challenge.purpose, challenge.channel_id, challenge.session_id, challenge.case_id)
    if asked_for != (purpose, channel.id, session, case):
        raise Problem("code_invalid")
    if not compare_digest(bytes(challenge.code_digest), keyed_digest(code, _bound_to(challenge))):
        raise Problem("code_invalid")
    return challenge


def spend(challenge: SmsChallenge) -> None:
    """Use a challenge up, in the act that it allows; raises Problem `code_invalid` when another act was quicker."""
    unused = SmsChallenge.objects.filter(pk=challenge.pk, used_at=None)
    if not unused.update(used_at=clock.Clock(), phone=None):
        raise Problem("code_invalid")


def _bound_to(challenge: SmsChallenge) -> str:
    asked_for = (challenge.channel_id, challenge.session_id, challenge.case_id)
    return ":".join(map(str, (challenge.id, challenge.purpose, challenge.phone, *asked_for)))

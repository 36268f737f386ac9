"""SMS challenges: six digits on their way to a phone, bound to purpose, phone, member, session, channel and case.

Tries are counted by statements of their own before the code is compared, so that they stand when the act refuses: of
the challenge, and of the phone, for whom fresh challenges are no fresh guesses.
"""

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
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
PER_DEVICE = ((10, HOUR), (20, DAY))
EVERYBODY = ((300, 60), (5_000, HOUR))
WRONG_PER_PHONE = ((15, HOUR), (30, DAY))  # guesses at the codes of one phone, whoever makes them

TRY = """
UPDATE members_smschallenge SET tries = tries + 1
WHERE id = %s AND tries < %s AND used_at IS NULL AND expires_at > clock_timestamp() RETURNING id
"""


def anybody() -> None:
    """No captcha is asked for."""


def ask(
    *,
    purpose: str,
    phone: str,
    channel: Channel,
    address: str,
    device: str = "",
    member: UUID | None = None,
    session: UUID | None = None,
    case: UUID | None = None,
    prove_human: Callable[[], None] = anybody,
) -> SmsChallenge:
    """Keep a new challenge and send its code. Known and unknown numbers take the same way.

    Raises Problem `rate_limited` beyond the quotas of (channel, address), of the device, of the channel, of the phone
    and of everybody together, whatever `prove_human` raises, and what `sms.send` raises, after which there is no
    challenge. Call it outside a transaction.
    """
    _count_asker(channel, address, device)
    prove_human()
    if channel.sms_per_day is not None:
        quotas.count(f"sms-of/{channel.code}", limit=channel.sms_per_day, every=DAY)
    _count(f"sms/{_who(phone)}", PER_PHONE)
    _count("sms", EVERYBODY)
    code = f"{secrets.randbelow(10**6):06d}"
    challenge = SmsChallenge(purpose=purpose, phone=phone, channel=channel, member_id=member)
    challenge.session_id, challenge.case_id = session, case
    challenge.expires_at = clock.now() + LIFETIME
    challenge.code_digest = keyed_digest(code, _bound_to(challenge))
    challenge.save(force_insert=True)
    try:
        sms.send(phone=phone, code=code, challenge_id=challenge.id, purpose=purpose)
    except Problem:
        challenge.delete()
        raise
    return challenge


def _count_asker(channel: Channel, address: str, device: str) -> None:
    """Who asks comes first: beyond their own quota they use up nobody else's."""
    where = blind_index("sms-address", address).hex()[:32]
    _count(f"sms/{channel.code}/{where}", PER_ADDRESS)
    if device:
        _count(f"sms-device/{blind_index('sms-device', device).hex()[:32]}", PER_DEVICE)


def _count(what: str, limits: tuple) -> None:
    for limit, every in limits:
        quotas.count(what, limit=limit, every=every)


def _who(phone: str) -> str:
    return blind_index("sms-phone", phone).hex()[:32]


def attempt(
    challenge_id: UUID,
    code: str,
    *,
    purpose: str,
    channel: Channel,
    member: UUID | None = None,
    session: UUID | None = None,
    case: UUID | None = None,
) -> SmsChallenge:
    """The challenge whose code this is; a try is spent either way. `challenge.phone` is what it proves.

    Raises Problem `too_many_attempts` after five tries, or too many at the codes of one phone, `code_invalid` for all
    else. Call it outside a transaction.
    """
    challenge = _tried(challenge_id)
    with _guessed(challenge.phone):
        asked_for = (challenge.purpose, challenge.channel_id, challenge.member_id, challenge.session_id)
        if (*asked_for, challenge.case_id) != (purpose, channel.id, member, session, case):
            raise Problem("code_invalid")
        if not compare_digest(bytes(challenge.code_digest), keyed_digest(code, _bound_to(challenge))):
            raise Problem("code_invalid")
    return challenge


def _tried(challenge_id: UUID) -> SmsChallenge:
    """The challenge, open, one of its tries spent."""
    with connection.cursor() as cursor:
        cursor.execute(TRY, [challenge_id, TRIES])
        counted = cursor.fetchone()
    challenge = SmsChallenge.objects.filter(pk=challenge_id).first()
    if counted is None:
        spent = challenge and challenge.used_at is None and challenge.tries >= TRIES
        raise Problem("too_many_attempts" if spent else "code_invalid")
    if challenge is None or challenge.phone is None:
        raise Problem("code_invalid")  # used up meanwhile
    return challenge


@contextmanager
def _guessed(phone: str) -> Iterator[None]:
    """A guess at a code of this phone: it counts until it proves right, so that many at once gain nothing."""
    what = f"sms-wrong/{_who(phone)}"
    try:
        _count(what, WRONG_PER_PHONE)
    except Problem as error:
        raise Problem("too_many_attempts", retry_after=error.retry_after) from error
    yield
    for _limit, every in WRONG_PER_PHONE:
        quotas.give_back(what, every=every)


def spend(challenge: SmsChallenge) -> None:
    """Use a challenge up, in the act that it allows; raises Problem `code_invalid` when another act was quicker."""
    unused = SmsChallenge.objects.filter(pk=challenge.pk, used_at=None)
    if not unused.update(used_at=clock.Clock(), phone=None):
        raise Problem("code_invalid")


def _bound_to(challenge: SmsChallenge) -> str:
    asked_for = (challenge.channel_id, challenge.member_id, challenge.session_id, challenge.case_id)
    return ":".join(map(str, (challenge.id, challenge.purpose, challenge.phone, *asked_for)))

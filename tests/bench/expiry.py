"""A million lots that expire in one night: how long, in how much memory, killed in the middle and begun again."""

from tests.bench.expiring import Run
from tests.bench.expiry_data import LOTS_EACH, check_expired, fill, left
from tests.bench.frame import SCALE, Figure, scaled, within

HOW = "one night, killed once and begun again"
SECONDS, MEGABYTES = 300, 256


def measure() -> list[Figure]:
    """Raises DoesNotAddUp when anything was lost or done twice."""
    accounts = fill(scaled(1_000_000, 2_000))
    first = Run()
    rest = first.kill_when(lambda still: still <= accounts * 0.9)
    settled, seconds, peak = Run().end()
    if settled != rest or left():
        raise RuntimeError(f"{settled} of {rest} accounts were settled after the kill, {left()} are left")
    again, *_nothing = Run().end()
    if again:
        raise RuntimeError(f"{again} accounts were settled twice")
    check_expired(accounts)
    lots = settled * LOTS_EACH
    whole = seconds * accounts / settled
    return [
        within(f"all {accounts * LOTS_EACH:,} lots on {accounts:,} accounts", whole, "s", SECONDS * SCALE),
        Figure("lots expired, with entries and events", lots / seconds, "/s"),
        within("peak memory of the run", peak, "MB", MEGABYTES),
        Figure("accounts left when it was killed, settled once by the next run", rest, ""),
    ]

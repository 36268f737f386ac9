"""What tests of points are made of."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

from django.db import connection, connections

from loyalty import ledger, services
from loyalty.ledger import Moves, Posted, Posting
from loyalty.models import Account, EarnRule, Tier
from loyalty.reconcile import balances
from members.models import Member
from sync.act import SYSTEM, act
from tests import make

TIERS = {
    "normal": ("普通会员", 0),
    "silver": ("银卡", 100_000),
    "gold": ("金卡", 500_000),
    "diamond": ("钻石", 2_000_000),
}


def tiers() -> list[Tier]:
    """The four tiers."""
    named = TIERS.items()
    return [Tier.objects.get_or_create(code=c, defaults={"name": n, "threshold_fen": t})[0] for c, (n, t) in named]


def rule(**fields) -> EarnRule:
    """The active earn rule: one point per yuan."""
    return EarnRule.objects.create(**({"code": "paid", "version": 1, "points_per_yuan": 1, "state": "active"} | fields))


def holder(points: int = 0, **fields) -> Member:
    """A member with so many points, earned by the hub under the reference "start"."""
    member = make.member(**fields)
    if points:
        services.earn(member=member.pk, points=points, reference="start", by=SYSTEM)
    return member


def posting(points: int, reference: str = "r", **fields) -> Posting:
    """An earning, or of negative points a spending, of the hub."""
    kind, contra = ("earned", "issued") if points > 0 else ("spent", "redeemed")
    fields.setdefault("moves", Moves(available=points))
    return Posting(kind=fields.pop("kind", kind), contra_kind=contra, source="hub", reference=reference, **fields)


@act
def post(member: Member, what: Posting) -> Posted:
    """The ledger's post as an act of its own, after what is due."""
    while (posted := ledger.post(member.pk, what)) is None:
        ledger.settle(member.pk)
    return posted


def balance(member: Member) -> tuple[int, int, int, int]:
    """available, pending, held, debt."""
    account = Account.objects.filter(member=member).first() or Account()
    return account.available, account.pending, account.held, account.debt


def drifted() -> list:
    """What the reconciliation finds."""
    return list(balances())


def execute(sql: str, *parameters) -> None:
    """Raw SQL, as somebody with a console would."""
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)


def at_once(times: int, work: Callable[[int], object]) -> list:
    """Run `work(0)`, `work(1)` … in threads that start together; results or the exceptions raised, in order."""
    barrier = Barrier(times)

    def run(number: int):
        try:
            barrier.wait()
            return work(number)
        except Exception as error:  # noqa: BLE001 - the test looks at what was raised
            return error
        finally:
            connections.close_all()

    with ThreadPoolExecutor(times) as pool:
        return list(pool.map(run, range(times)))

"""Having parcels followed: subscribed to once, asked about where nobody tells.

A parcel is claimed by one statement before anybody is called, so two never ask at one time, and what fails or dies is
tried again at its next time, at growing distance. The path of a parcel's callback holds a token that only this hub can
make; its digest is kept, and the salt of the pushes is made of it.
"""

import logging
from datetime import timedelta

from django.conf import settings
from django.db import connection

from orders import services
from orders.models import Recipient, Shipment
from orders.shipping import kuaidi100
from orders.shipping.kuaidi100 import Refused, Unavailable, Wanted
from sync import alerts, clock, secret
from sync.act import Actor
from sync.clock import Clock

logger = logging.getLogger(__name__)

AT_ONCE = 20
TRIES = 16  # of one subscription: about two days
Watch = Shipment.Watch
BY = Actor("provider", "kuaidi100")

CLAIM_WANTED = """
UPDATE orders_shipment
SET watch_tries = watch_tries + 1,
    watch_at = clock_timestamp() + least(interval '6 hours', interval '1 minute' * power(2, watch_tries))
WHERE id = ANY (ARRAY(
    SELECT id FROM orders_shipment
    WHERE watch_at <= clock_timestamp() AND watch = 'wanted' AND withdrawn_at IS NULL
    ORDER BY watch_at LIMIT %s FOR NO KEY UPDATE SKIP LOCKED))
RETURNING id
"""
# Parcels nobody has told of for a day; after sixty days nobody asks any more.
CLAIM_SILENT = """
UPDATE orders_shipment SET watch_at = clock_timestamp() + interval '1 day'
WHERE id = ANY (ARRAY(
    SELECT id FROM orders_shipment
    WHERE watch_at <= clock_timestamp() AND watch IN ('followed', 'refused')
        AND withdrawn_at IS NULL AND delivered_at IS NULL
    ORDER BY watch_at LIMIT %s FOR NO KEY UPDATE SKIP LOCKED))
RETURNING id, shipped_at < clock_timestamp() - interval '60 days'
"""
SOON, A_DAY = timedelta(minutes=10), timedelta(days=1)
HALF_AN_HOUR, MOST_ABORTS = timedelta(minutes=30), 3
ABORTED, SHARED = "aborted", "followed for another parcel"


def follow_due() -> int:
    """Subscribe to every parcel whose time has come. Not to be called in a transaction. Returns how many were tried."""
    if not kuaidi100.is_on():
        return 0
    with connection.cursor() as cursor:
        cursor.execute(CLAIM_WANTED, [AT_ONCE])
        due = [row[0] for row in cursor.fetchall()]
    for parcel in Shipment.objects.select_related("carried_by").filter(pk__in=due):
        follow(parcel)
    return len(due)


def follow(parcel: Shipment) -> None:
    """Subscribe to one parcel that was claimed, and keep what became of it."""
    token = token_of(parcel)
    same = Shipment.objects.filter(pk=parcel.pk, watch=Watch.WANTED, tracking_number=parcel.tracking_number)
    same.update(callback=secret.digest(token))  # before the call: the first push may be quicker than its answer
    try:
        is_first = kuaidi100.subscribe(wanted(parcel), callback=address_of(token), salt=salt_of(token))
    except Refused as error:
        refuse(parcel, f"refused {error.code}")
    except Unavailable as error:
        logger.warning("Parcel %s is subscribed to again later: %s", parcel.pk, error)
        alerts.measure("kuaidi100.unavailable", 1)
        if parcel.watch_tries >= TRIES:
            refuse(parcel, "gave up")
    else:
        known = parcel.watch_problem if parcel.watch_problem.startswith(ABORTED) else ""
        problem = known or ("" if is_first else SHARED)
        same.update(watch=Watch.FOLLOWED, watch_problem=problem, watch_at=Clock() + A_DAY, watch_tries=0)


def ask_due() -> int:
    """Ask about parcels nobody tells of. Not to be called in a transaction. Returns how many were asked about."""
    if not kuaidi100.is_on():
        return 0
    with connection.cursor() as cursor:
        cursor.execute(CLAIM_SILENT, [AT_ONCE])
        due = dict(cursor.fetchall())
    for parcel in Shipment.objects.select_related("carried_by").filter(pk__in=due):
        try:
            give_up(parcel) if due[parcel.pk] else ask(parcel)
        except Unavailable as error:
            logger.warning("Parcel %s is asked about again later: %s", parcel.pk, error)
        except Shipment.DoesNotExist:
            logger.info("Parcel %s was taken back meanwhile", parcel.pk)
    return len(due)


def ask(parcel: Shipment) -> None:
    """Hear where one parcel is, and keep it as if it had been told. Raises Unavailable, Shipment.DoesNotExist."""
    last = kuaidi100.query(wanted(parcel))
    if told := kuaidi100.entries(last, now=clock.now()):
        state = kuaidi100.state_of(last.get("state")) or told[0]["state"]
        services.track(shipment=parcel.pk, told=told, state=state, by=BY)


def give_up(parcel: Shipment) -> None:
    """Ask no more."""
    services.let_go(shipment=parcel.pk, watch=Watch.OVER, problem=parcel.watch_problem)


def refuse(parcel: Shipment, problem: str) -> None:
    """Nobody will tell of this parcel by themselves: it is asked about, and its order does not wait for it."""
    try:
        services.let_go(shipment=parcel.pk, watch=Watch.REFUSED, problem=problem)
    except Shipment.DoesNotExist:
        return  # taken back meanwhile
    Shipment.objects.filter(pk=parcel.pk).update(watch_at=Clock() + SOON)
    alerts.measure("kuaidi100.refused", 1)


def subscribe_again(parcel: Shipment) -> None:
    """They found nothing on a parcel and follow it no more: subscribe anew in half an hour, three times at most."""
    if parcel.watch != Watch.FOLLOWED or parcel.delivered_at:
        return  # told again, or told of what is over
    said = parcel.watch_problem.removeprefix(ABORTED)
    times = int(said) + 1 if said.strip().isdecimal() else 1
    problem = f"{ABORTED} {times}"
    if times > MOST_ABORTS:
        services.let_go(shipment=parcel.pk, watch=Watch.REFUSED, problem=problem)
        again = {"watch_at": Clock() + A_DAY}
    else:
        again = {"watch": Watch.WANTED, "watch_problem": problem, "watch_at": Clock() + HALF_AN_HOUR, "watch_tries": 0}
    Shipment.objects.filter(pk=parcel.pk).update(**again)


def told_of(parcel: Shipment) -> None:
    """Somebody told of a parcel: nobody asks for a day; about those that share its waybill somebody asks now."""
    Shipment.objects.filter(pk=parcel.pk, watch_at__isnull=False).update(watch_at=Clock() + A_DAY)
    others = Shipment.objects.filter(tracking_number=parcel.tracking_number, carried_by=parcel.carried_by_id)
    others.filter(watch=Watch.FOLLOWED, watch_problem=SHARED, withdrawn_at=None).update(watch_at=Clock())


def wanted(parcel: Shipment) -> Wanted:
    """A parcel as 快递100 is told of it."""
    carrier, phone = parcel.carried_by, ""
    if carrier.needs_phone:
        recipient = Recipient.objects.filter(order=parcel.order_id).first()
        phone = ((recipient and recipient.phone) or "")[-4:]
    return Wanted(carrier.code, parcel.tracking_number, phone)


def token_of(parcel: Shipment) -> str:
    """The secret in the path of a parcel's callback: another one after each correction, the same when tried again."""
    return secret.derived(f"{parcel.pk}/{parcel.carried_by_id}/{parcel.tracking_number}", "kuaidi100")


def salt_of(token: str) -> str:
    """What the pushes to this token are signed with."""
    return secret.derived(token, "kuaidi100 salt")[:32]


def address_of(token: str) -> str:
    """Where 快递100 pushes to."""
    return f"{settings.PUBLIC_URL}/callbacks/kuaidi100/{token}"

"""The daily trade bill of each merchant: asked for, downloaded, compared with its digest, read, kept. Not in an act."""

import hashlib
import hmac
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from tempfile import SpooledTemporaryFile
from typing import BinaryIO
from urllib.parse import urlsplit

import httpx
from django.conf import settings
from django.db import connection

from orders.models import Bill, Merchant
from orders.payments import calling, providers
from orders.payments.calling import Refused, Unavailable
from orders.payments.statement import SHANGHAI, DoesNotAddUp, Malformed, Statement
from orders.rules import WECHAT_PAY
from orders.services import billing
from sync import alerts

logger = logging.getLogger(__name__)

READY = 10  # o'clock in Shanghai: from then on there is a bill of the day before
BACK = 3  # days that are looked after
ABSENT = "NO_STATEMENT_EXIST"
LARGEST = 2**30  # bytes
IN_MEMORY = 2**20
PATIENCE = httpx.Timeout(60.0, connect=5.0)
CLAIM = """
UPDATE orders_bill SET next_at = clock_timestamp() + interval '1 hour'
WHERE id = (SELECT id FROM orders_bill WHERE next_at <= clock_timestamp() ORDER BY next_at LIMIT 1
    FOR NO KEY UPDATE SKIP LOCKED)
RETURNING id
"""


def fetch_due(now: datetime) -> int:
    """Fetch every bill that should be there by now; returns how many were asked for. Not in a transaction.

    Pushes how many could not be kept yet for alerts (`bills.missing`).
    """
    last = (now.astimezone(SHANGHAI) - timedelta(hours=READY)).date() - timedelta(days=1)
    billing.expect([last - timedelta(days=back) for back in range(BACK)])
    asked = 0
    while bill := _claimed():
        _fetch(bill)
        asked += 1
    alerts.measure("bills.missing", Bill.objects.filter(tries__gt=2, next_at__isnull=False).count())
    return asked


def _fetch(bill: Bill) -> None:
    """Fetch one bill and keep it; what fails is put off, with its reason."""
    try:
        where = providers.of(WECHAT_PAY, bill.merchant).bill(bill.billed_on)
        with _downloaded(bill.merchant, where) as file:
            billing.keep_bill(bill=bill.pk, lines=Statement(file), digest=str(where["hash_value"])[:64])
    except Refused as refused:
        billing.postpone_bill(bill=bill.pk, problem=refused.code, is_absent=refused.code == ABSENT)
    except (Malformed, DoesNotAddUp) as error:
        logger.error("The bill of %s of %s is wrong: %s", bill.merchant.mchid, bill.billed_on, error)
        billing.postpone_bill(bill=bill.pk, problem=str(error), is_wrong=True)
    except Unavailable as error:
        billing.postpone_bill(bill=bill.pk, problem=str(error))


def _claimed() -> Bill | None:
    """A bill that is due, nobody else's for an hour."""
    with connection.cursor() as cursor:
        cursor.execute(CLAIM)
        row = cursor.fetchone()
    return Bill.objects.select_related("merchant").get(pk=row[0]) if row else None


@contextmanager
def _downloaded(merchant: Merchant, where: dict) -> Iterator[BinaryIO]:
    """The bill's file, proven to be what WeChat Pay said by its digest. Raises Unavailable, Refused."""
    told = [where.get(name) for name in ("download_url", "hash_type", "hash_value")]
    if not all(isinstance(each, str) for each in told) or told[1] != "SHA1":
        raise Unavailable("no address or digest of the bill")
    with SpooledTemporaryFile(IN_MEMORY) as file:
        digest = _stream(merchant, _path_of(told[0]), file)
        if not hmac.compare_digest(digest, told[2].lower()):
            raise Unavailable("the bill is not what its digest says")
        file.seek(0)
        yield file


def _path_of(url: str) -> str:
    """What to call for a download; raises Unavailable for any address but WeChat Pay's own."""
    home, found = urlsplit(settings.WECHAT_PAY_URL), urlsplit(url)
    if (found.scheme, found.netloc) != (home.scheme, home.netloc) or not found.path.startswith(home.path):
        raise Unavailable("the bill lies at an address that is not WeChat Pay's")
    return found.path.removeprefix(home.path) + (f"?{found.query}" if found.query else "")


def _stream(merchant: Merchant, path: str, file: BinaryIO) -> str:
    """Write what lies there into `file`; returns its SHA-1."""
    digest, size = hashlib.sha1(usedforsecurity=False), 0
    headers = calling.signed_headers(merchant, "GET", path, b"")
    try:
        url = settings.WECHAT_PAY_URL + path
        with calling.client().stream("GET", url, headers=headers, timeout=PATIENCE) as answer:
            if not answer.is_success:
                answer.read()
                calling.require_success(answer)
            for chunk in answer.iter_bytes():
                size += len(chunk)
                if size > LARGEST:
                    raise Unavailable("the bill is too large")
                digest.update(chunk)
                file.write(chunk)
    except httpx.HTTPError as error:
        raise Unavailable(type(error).__name__) from error
    return digest.hexdigest()

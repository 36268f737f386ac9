"""The same in django-hordak: a transfer of two legs, without a balance to lock, a reference or lots."""

import random

from django.db import connection, transaction
from hordak.models import Account
from moneyed import Money

ACCOUNTS = 20_000  # set by the bench


def fill(accounts: int) -> None:
    """So many members' accounts after the one points come from, which is the first; past its triggers, for time."""
    members = [_account(n, str(n), "LI") for n in range(2, accounts + 2)]
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        Account.objects.bulk_create([_account(1, "issued", "AS"), *members], batch_size=1_000)


def _account(n: int, name: str, kind: str) -> Account:
    tree = {"lft": 1, "rght": 2, "tree_id": n, "level": 0}
    return Account(pk=n, name=name, code=str(n), full_code=str(n), type=kind, currencies=["CNY"], **tree)


def transfer(_client: int, account: int | None = None) -> int:
    """One transfer to somebody by chance."""
    giver, taker = Account(pk=1), Account(pk=(account or random.randint(1, ACCOUNTS)) + 1)
    with transaction.atomic():
        giver.transfer_to(taker, Money(1, "CNY"))
    return 1


def transfer_hot(client: int) -> int:
    """The same to the account of all."""
    return transfer(client, 1)

"""A process of a bank's writers: `python -m tests.loyalty.bank_writers FOLDER NAME…`, until FOLDER/over is there."""

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import UUID

import django

django.setup()

from django.db import connections  # noqa: E402 - models come after the setup

from tests.loyalty import bank  # noqa: E402


def write(folder: Path, name: str) -> None:
    """One writer, one connection."""
    members = [UUID(line) for line in (folder / "members").read_text().split()]
    try:
        bank.Writer(name, members, folder / f"{name}.log").run((folder / "over").exists)
    finally:
        connections.close_all()


if __name__ == "__main__":
    place, names = Path(sys.argv[1]), sys.argv[2:]
    with ThreadPoolExecutor(len(names)) as pool:
        list(pool.map(lambda name: write(place, name), names))

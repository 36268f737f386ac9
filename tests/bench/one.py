"""One bench in this process: the tables made, the figures measured, the table printed."""

import sys
from importlib import import_module

import django
from django.core.management import call_command

from tests.bench.frame import publish


def main(name: str) -> None:
    """Measure and publish."""
    django.setup()
    call_command("migrate", verbosity=0)
    bench = import_module(f"tests.bench.{name}")
    print(publish(name, bench.measure(), bench.HOW), flush=True)  # noqa: T201


if __name__ == "__main__":
    main(sys.argv[1])

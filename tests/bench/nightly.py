"""The nightly run as a process of its own, that can be killed; it prints [accounts, seconds, peak MB]."""

import json
import resource
import time

import django
from django.utils.module_loading import import_string


def main() -> None:
    """Settle all that is due."""
    django.setup()
    settle_due = import_string("loyalty.services.settle_due")
    begun = time.perf_counter()
    settled = settle_due()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps([settled, time.perf_counter() - begun, peak]), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()

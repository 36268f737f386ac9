"""Eight clients of Django: two processes of four threads, each with a connection, that do one thing for a while.

`Clients` starts and asks them; as a program this is one of the processes. It is asked in lines of JSON: the dotted name
of a callable `work(client: int) -> int` (how many it did), and for how many seconds to go on calling it.
"""

import json
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module

import django
from django.utils.module_loading import import_string

PROCESSES, THREADS = 2, 4
READY = "ready\n"


class Clients:
    """The processes; a context manager, entered when all are ready: starting, they would take the machine from others.

    `options` are set on the module of the works, in each process.
    """

    def __init__(self, module: str, **options):
        self.module = module
        words = [sys.executable, "-m", "tests.bench.clients", module, json.dumps(options)]
        self.processes = [
            subprocess.Popen([*words, str(n)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            for n in range(PROCESSES)
        ]

    def __enter__(self) -> "Clients":
        if any(process.stdout.readline() != READY for process in self.processes):
            raise RuntimeError(f"A client of {self.module} does not start")
        return self

    def __exit__(self, *_raised) -> None:
        for process in self.processes:
            process.stdin.close()
            process.wait(timeout=30)

    def rate(self, work: str, seconds: float) -> float:
        """How many a second all clients together do."""
        asked = json.dumps({"work": f"{self.module}.{work}", "seconds": seconds}) + "\n"
        for process in self.processes:
            process.stdin.write(asked)
            process.stdin.flush()
        answers = [json.loads(process.stdout.readline() or "null") for process in self.processes]
        if None in answers:
            raise RuntimeError(f"A client ended in {work}")
        return sum(answers)


def _keep_on(work, client: int, seconds: float) -> float:
    done, begun = 0, time.perf_counter()
    while (passed := time.perf_counter() - begun) < seconds:
        done += work(client)
    return done / passed


def main(module: str, options: str, number: str) -> None:
    """Answer until nobody asks any more."""
    django.setup()
    vars(import_module(module)).update(json.loads(options))
    clients = [int(number) * THREADS + thread for thread in range(THREADS)]
    with ThreadPoolExecutor(THREADS) as pool:
        print(READY, end="", flush=True)  # noqa: T201
        for line in sys.stdin:
            asked = json.loads(line)
            work = import_string(asked["work"])
            rates = list(pool.map(lambda c, work=work, s=asked["seconds"]: _keep_on(work, c, s), clients))
            print(sum(rates), flush=True)  # noqa: T201


if __name__ == "__main__":
    main(*sys.argv[1:])

"""Identifiers that rows and events are sorted by."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from uuid import RFC_4122

from sync.ids import DRAWN, made_at, uuid7
from tests.engines import ROOT

MANY = 3 * DRAWN
FORKING = f"""
import os
from sync.ids import uuid7
uuid7()
child = os.fork()
drawn = [uuid7().int % 2**62 for _ in range({MANY})]
if child:
    os.waitpid(child, 0)  # its line is out
print(*drawn, flush=True)
"""


def test_a_uuid7_tells_its_time_and_is_one_by_the_standard():
    made = uuid7()
    assert (made.version, made.variant) == (7, RFC_4122)
    assert made_at(str(uuid7())) >= made_at(str(made))


def test_uuid7s_of_a_process_rise_and_none_comes_twice():
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _n: [uuid7() for _ in range(MANY)], range(8)))
    assert all(each == sorted(each) for each in made)
    assert len({key.int % 2**62 for each in made for key in each}) == 8 * MANY


def test_processes_that_were_one_draw_apart():
    said = subprocess.run([sys.executable, "-c", FORKING], cwd=ROOT, capture_output=True, text=True, check=True)
    one, other = (set(line.split()) for line in said.stdout.splitlines())
    assert len(one) == len(other) == MANY
    assert not one & other

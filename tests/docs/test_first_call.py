"""The first lines of the guide for integrators, typed into a shell beside a sandbox that runs."""

import json
import shutil
import subprocess

import pytest

from tests.docs.examples import blocks
from tests.docs.test_integrate import guide
from tests.lacking import lacking


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_first_call_needs_nothing_but_a_shell(hub):
    if shutil.which("curl") is None:
        lacking("The first call is", "Its lines use curl, which is not here: apt-get install curl")
    first, *lines = blocks(guide(), "sh")[0].splitlines()
    assert first.startswith("make up")
    typed = "\n".join(lines).replace("http://127.0.0.1:8000", hub.url)
    told = subprocess.run(["sh", "-c", typed], capture_output=True, text=True, timeout=60, check=True)
    answer = json.loads(told.stdout)
    assert (answer.keys(), answer["created"]) == ({"member", "created"}, True)

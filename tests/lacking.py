"""A program that tests need and the machine has not."""

import os
from typing import NoReturn

import pytest


def lacking(what: str, reason: str) -> NoReturn:
    """End the test: `what` is not tested. Where everything is to be shown (CI is set) it fails, else it is skipped."""
    said = f"{what.upper()} NOT TESTED. {reason}"
    if os.environ.get("CI"):
        pytest.fail(said, pytrace=False)
    pytest.skip(said)

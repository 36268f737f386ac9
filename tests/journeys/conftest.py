import pytest

from tests.journeys.clients import OPEN


@pytest.fixture(scope="module", autouse=True)
def hang_up():
    """Close every line a module's journeys opened."""
    yield
    OPEN.close()

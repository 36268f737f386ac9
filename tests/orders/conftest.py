"""What the tests of orders share."""

import pytest

from tests.orders import outside


@pytest.fixture(scope="session")
def rsa_pair() -> tuple[str, str]:
    """A private and a public key, PEM."""
    return outside.key_pair()

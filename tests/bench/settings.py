"""The hub's settings, with the apps of the ledger it is measured against."""

from config.settings import *  # noqa: F403
from config.settings import INSTALLED_APPS

INSTALLED_APPS += ["mptt", "djmoney", "hordak"]
ROOT_URLCONF = "tests.bench.orders_urls"

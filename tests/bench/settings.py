"""The hub's settings; a bench may add the apps of those it is measured against."""

from config.settings import *  # noqa: F403

"""Sockets only: /ws/."""

import os

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django.setup()

from sync.live import application  # noqa: E402 - the apps must be loaded first

__all__ = ["application"]

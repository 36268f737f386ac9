"""Pages of the admin as a test reads them."""

import re
from html import unescape

from django.test import Client
from django.urls import reverse


def page_of(row) -> str:
    return reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=[row.pk])


def list_of(model) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")


def read(browser: Client, row, language: str = "zh-hans") -> str:
    """What a row's page says, without its tags, on one line."""
    answer = browser.get(page_of(row), headers={"Accept-Language": language})
    assert answer.status_code == 200
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", answer.content.decode())))

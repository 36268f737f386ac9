"""System checks: what the settings name by dotted path exists."""

from django.conf import settings
from django.core.checks import Error, Tags, register
from django.db import connection
from django.utils.module_loading import import_string

from sync import rotation

LISTS = ("RECONCILIATIONS", "INBOX_HANDLERS", "BEARERS", "SESSION_CHECK", "STAFF_CHECK")


def named_paths():
    """(setting, dotted path) of everything a lower floor reaches up to."""
    for name in LISTS:
        value = getattr(settings, name, ())
        value = [value] if isinstance(value, str) else value
        for path in value.values() if isinstance(value, dict) else value:
            yield name, path


@register()
def dotted_paths_lead_somewhere(app_configs, **kwargs):
    """Every dotted path in the settings can be imported."""
    errors = []
    for name, path in named_paths():
        try:
            import_string(path)
        except ImportError as error:
            errors.append(Error(f"{name} names {path}: {error}", id="sync.E001"))
    return errors


@register(Tags.database)
def everybody_can_be_found(app_configs, databases=None, **kwargs):
    """The key that look-ups go by was not put first before every row had its index: else people would be made twice."""
    there = set(connection.introspection.table_names()) if databases else set()
    missed = {table.name: table.unfindable() for table in rotation.tables() if table.name in there}
    hint = "Put the former key of HUB_INDEX_KEYS first again, run `manage.py rotate`, then change their order"
    return [
        Error(f"{rows} rows of {name} are not found by the first of HUB_INDEX_KEYS", hint=hint, id="sync.E002")
        for name, rows in missed.items()
        if rows
    ]

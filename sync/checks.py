"""System checks: what the settings name by dotted path exists."""

from django.conf import settings
from django.core.checks import Error, register
from django.utils.module_loading import import_string

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

"""System checks: every row that belongs to a member is in somebody's records; who judges captchas is there."""

from django.apps import apps
from django.conf import settings
from django.core.checks import Error, register
from django.utils.module_loading import import_string


@register
def member_records(app_configs, **kwargs) -> list[Error]:
    """Each path in MEMBER_RECORDS leads to records, and together they cover each foreign key to Member."""
    found, errors = [], []
    for path in settings.MEMBER_RECORDS:
        try:
            found.append(import_string(path))
        except ImportError as error:
            errors.append(Error(f"MEMBER_RECORDS: {path}: {error}", id="members.E001"))
    return errors or uncovered(found)


@register
def captcha(app_configs, **kwargs) -> list[Error]:
    """SMS_CAPTCHA, where one is asked for, leads to something that can be called."""
    try:
        found = import_string(settings.SMS_CAPTCHA) if settings.SMS_CAPTCHA else callable
    except ImportError as error:
        return [Error(f"SMS_CAPTCHA: {settings.SMS_CAPTCHA}: {error}", id="members.E003")]
    return [] if callable(found) else [Error(f"SMS_CAPTCHA: {settings.SMS_CAPTCHA} is no function", id="members.E004")]


def uncovered(records: list) -> list[Error]:
    """An error for each model with a foreign key to Member that no records list."""
    member = apps.get_model("members", "Member")
    covered = {model for record in records for model in record.models}
    bound = {
        model
        for model in apps.get_models()
        if any(field.related_model is member for field in model._meta.concrete_fields)
        and not hasattr(model, "pgh_tracked_model")
    }
    return [
        Error(f"{model._meta.label} belongs to members, but no class in MEMBER_RECORDS lists it", id="members.E002")
        for model in sorted(bound - covered, key=lambda model: model._meta.label)
    ]

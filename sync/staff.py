"""Whose dashboard must close: staff who signed out, were switched off or lost the permission."""

from django.conf import settings
from django.contrib.auth import SESSION_KEY, get_user_model
from django.contrib.sessions.models import Session
from django.utils import timezone


def ended(keys: list[str]) -> set[str]:
    """Those of these Django session keys that may not see the dashboard (any more)."""
    sessions = Session.objects.filter(session_key__in=keys, expire_date__gt=timezone.now())
    users = {session.session_key: session.get_decoded().get(SESSION_KEY) for session in sessions}
    known = get_user_model().objects.in_bulk([user for user in users.values() if user])
    return {key for key in keys if not _may_look(known.get(int(users.get(key) or 0)))}


def _may_look(user) -> bool:
    return bool(user and user.is_active and user.has_perm(settings.DASHBOARD_PERMISSION))

"""Whose dashboard must close: staff who signed out, were switched off, lost the permission or got a new password."""

from django.conf import settings
from django.contrib.auth import HASH_SESSION_KEY, SESSION_KEY, get_user_model
from django.contrib.sessions.models import Session
from django.utils import timezone
from django.utils.crypto import constant_time_compare


def ended(keys: list[str]) -> set[str]:
    """Those of these Django session keys that may not see the dashboard (any more)."""
    sessions = Session.objects.filter(session_key__in=keys, expire_date__gt=timezone.now())
    kept = {session.session_key: session.get_decoded() for session in sessions}
    known = get_user_model().objects.in_bulk([each[SESSION_KEY] for each in kept.values() if SESSION_KEY in each])
    return {key for key in keys if not _may_look(kept.get(key, {}), known)}


def _may_look(session: dict, known: dict) -> bool:
    user = known.get(int(session.get(SESSION_KEY) or 0))
    if user is None or not user.is_active:
        return False
    unchanged = constant_time_compare(session.get(HASH_SESSION_KEY, ""), user.get_session_auth_hash())
    return unchanged and user.has_perm(settings.DASHBOARD_PERMISSION)

"""An SMS provider: takes messages, and shows them to whoever holds the phone (`GET /sandbox/sms`)."""

import json

from django.http import HttpRequest, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from config.sandbox import faults
from config.sandbox.models import TextMessage, TextNotice
from sync import secret


@csrf_exempt
@require_POST
def messages(request: HttpRequest) -> JsonResponse:
    """Take one message: `{phone, code, challenge_id}`, the phone in E.164. 202 with its id."""
    faults.delay("sms_timeout")
    if faults.strikes("sms_fail"):
        return JsonResponse({"error": "unavailable"}, status=503)
    asked = _read(request.body)
    if asked is None:
        return JsonResponse({"error": "invalid"}, status=400)
    message = TextMessage.objects.create(**asked, phone_index=secret.blind_index("phone", asked["phone"]))
    return JsonResponse({"id": str(message.pk)}, status=202)


@csrf_exempt
@require_POST
def notices(request: HttpRequest) -> JsonResponse:
    """Take news: `{phone, occasion, values}`. 202 with its id."""
    faults.delay("sms_timeout")
    if faults.strikes("sms_fail"):
        return JsonResponse({"error": "unavailable"}, status=503)
    given = json.loads(request.body)
    notice = TextNotice.objects.create(phone=given["phone"], occasion=given["occasion"], values=given["values"])
    return JsonResponse({"id": str(notice.pk)}, status=202)


def _read(body: bytes) -> dict | None:
    try:
        given = json.loads(body)
        asked = {name: str(given[name]) for name in ("phone", "code", "challenge_id")}
        return asked if secret.phone(asked["phone"]) == asked["phone"] and len(asked["challenge_id"]) <= 64 else None
    except (ValueError, TypeError, KeyError):
        return None

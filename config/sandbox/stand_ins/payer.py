"""The payer's thumb: lets a payment succeed. Called by the sandbox's API in the web process, which must not wait for
notifications that it answers itself."""

import json

from django.http import HttpRequest, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from config.sandbox.stand_ins import notifying


@csrf_exempt
@require_POST
def succeed(request: HttpRequest, number: str) -> JsonResponse:
    """Pay, notify, and say what became of each copy; 404 for a payment that nobody opened."""
    asked = json.loads(request.body)
    try:
        statuses = notifying.succeed(number, amount_fen=asked.get("amount_fen"), times=asked["times"])
    except notifying.UnknownTrade:
        return JsonResponse({}, status=404)
    delivered = sum(status is not None and 200 <= status < 300 for status in statuses)
    return JsonResponse({"delivered": delivered, "statuses": statuses})

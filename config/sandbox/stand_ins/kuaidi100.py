"""快递100: takes subscriptions to a parcel's tracking (`POST /poll`, form fields `schema` and `param`)."""

import json

from django.http import HttpRequest, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST


@csrf_exempt
@require_POST
def poll(request: HttpRequest) -> JsonResponse:
    """Subscribe `{company, number, key, parameters: {callbackurl, salt}}`."""
    try:
        param = json.loads(request.POST.get("param", ""))
        complete = param["company"].islower() and 0 < len(param["number"]) <= 32 and param["parameters"]["callbackurl"]
    except (ValueError, TypeError, KeyError, AttributeError):
        complete = False
    if not complete or request.POST.get("schema") != "json":
        return _answer(result=False, code="701", message="拒绝订阅的快递公司或参数错误")
    return _answer(result=True, code="200", message="提交成功")


def _answer(*, result: bool, code: str, message: str) -> JsonResponse:
    body = {"result": result, "returnCode": code, "message": message}
    return JsonResponse(body, json_dumps_params={"ensure_ascii": False})

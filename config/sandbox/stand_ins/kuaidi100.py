"""快递100: takes subscriptions (`POST /poll`) and questions (`POST /poll/query.do`), pushes the whole list each time.

A list that is there already is pushed as soon as somebody subscribes to it.
"""

import hashlib
import hmac
import json
from functools import wraps

from django.conf import settings
from django.http import HttpRequest, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from config.sandbox import faults
from config.sandbox.models import Parcel
from config.sandbox.stand_ins import courier


class Refusal(Exception):
    """快递100 refuses with a code."""

    def __init__(self, code: str, message: str):
        super().__init__(code)
        self.code, self.message = code, message


def answered(view):
    """Faults strike here; a refusal is an answer."""

    @csrf_exempt
    @require_POST
    @wraps(view)
    def run(request: HttpRequest) -> JsonResponse:
        faults.delay("kuaidi100_timeout")
        try:
            if faults.strikes("kuaidi100_error"):
                raise Refusal("500", "服务器错误")
            body = view(_param(request), request)
        except Refusal as refusal:
            body = {"result": False, "returnCode": refusal.code, "message": refusal.message}
        return JsonResponse(body, json_dumps_params={"ensure_ascii": False})

    return run


@answered
def poll(asked: dict, request: HttpRequest) -> dict:
    """Subscribe `{company, number, key, parameters: {callbackurl, salt}}`."""
    extras = asked.get("parameters")
    texts = [asked.get("company"), asked.get("number"), extras.get("callbackurl") if isinstance(extras, dict) else None]
    if request.POST.get("schema") != "json" or not all(isinstance(text, str) and text for text in texts):
        raise Refusal("700", "订阅方的订阅数据存在错误")
    company, number, url = texts
    if not company.islower() or len(number) > 32:
        raise Refusal("701", "拒绝订阅的快递公司")
    if asked.get("key") != settings.KUAIDI100_KEY:
        raise Refusal("601", "POLL:KEY已过期")
    if not courier.subscribe(number, company=company, url=url, salt=str(extras.get("salt", ""))):
        raise Refusal("501", "重复订阅")
    return {"result": True, "returnCode": "200", "message": "提交成功"}


@answered
def query(asked: dict, request: HttpRequest) -> dict:
    """The list of one parcel."""
    signed = f"{request.POST['param']}{settings.KUAIDI100_KEY}{settings.KUAIDI100_CUSTOMER}".encode()
    expected = hashlib.md5(signed, usedforsecurity=False).hexdigest().upper()
    if not hmac.compare_digest(expected.encode(), request.POST.get("sign", "").encode()):
        raise Refusal("503", "验证签名失败")
    parcel = Parcel.objects.filter(number=courier.folded(str(asked.get("num")))).first()
    if parcel is None or not parcel.entries:
        raise Refusal("500", "查询无结果，请隔段时间再查")
    return courier.last_result(parcel, str(asked.get("com"))) | {"status": "200"}


def _param(request: HttpRequest) -> dict:
    try:
        param = json.loads(request.POST.get("param", ""))
    except ValueError as error:
        raise Refusal("700", "订阅方的订阅数据存在错误") from error
    if not isinstance(param, dict):
        raise Refusal("700", "订阅方的订阅数据存在错误")
    return param

"""Paths under /callbacks/: what providers tell us."""

import logging
import time

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt

from orders import wechat_push
from orders.payments import notices
from orders.payments.signing import NotSigned
from orders.shipping import pushes
from sync import alerts, inbox
from sync.http import Problem, problem_response

logger = logging.getLogger(__name__)


@csrf_exempt
def wechat_pay(request: HttpRequest, merchant: str) -> HttpResponse:
    """A notification of WeChat Pay: judged as raw bytes, kept, applied as far as two seconds go, answered 204.

    The same one again is answered 204 and changes nothing. What is not signed by WeChat Pay is answered 401; nothing
    of it is kept but a count.
    """
    if request.method != "POST":
        return problem_response(Problem("method_not_allowed"))
    try:
        notice = notices.read(merchant, request.headers, request.body, now=time.time())
    except NotSigned as error:
        logger.warning("A notification of WeChat Pay was refused: %s", error)
        alerts.measure("wechat_pay.notifications_refused", 1)
        return problem_response(Problem("signature_invalid"))
    sender, subject = f"wechat-pay/{merchant}", notice.subject
    if inbox.store(sender, notice.id, f"wechat_pay.{notice.type}", subject, notice.body):
        inbox.apply_at_once(sender, [subject])
    return HttpResponse(status=204)


@csrf_exempt
def kuaidi100(request: HttpRequest, token: str) -> HttpResponse:
    """A push of 快递100: judged, kept, applied as far as two seconds go, answered as they want it.

    The same one again is answered likewise and changes nothing. A token that follows nothing is answered like a path
    that leads nowhere; of what is refused nothing is kept but a count.
    """
    if request.method != "POST":
        return problem_response(Problem("method_not_allowed"))
    try:
        push = pushes.read(token, request.POST)
    except (pushes.Unknown, pushes.NotSigned, Problem) as error:
        logger.warning("A push of 快递100 was refused: %s", type(error).__name__)
        alerts.measure("kuaidi100.pushes_refused", 1)
        known = {pushes.Unknown: Problem("not_found"), pushes.NotSigned: Problem("signature_invalid")}
        return problem_response(known.get(type(error), error))
    if inbox.store(push.sender, push.id, pushes.TYPE, push.subject, push.body):
        inbox.apply_at_once(push.sender, [push.subject])
    return JsonResponse(pushes.ANSWER, json_dumps_params={"ensure_ascii": False})


urlpatterns = [
    path("wechat-pay/<str:merchant>", wechat_pay),
    path("kuaidi100/<str:token>", kuaidi100),
    path("wechat/<str:app_id>", wechat_push.receive),
]

"""Paths under /callbacks/: what providers tell us."""

import logging
import time

from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt

from orders.payments import notices
from orders.payments.signing import NotSigned
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


urlpatterns = [path("wechat-pay/<str:merchant>", wechat_pay)]

"""WeChat Pay from the payer's side."""

from uuid import UUID

from django.http import HttpRequest
from rest_framework.response import Response

from config.sandbox.api import outcome
from config.sandbox.api.view import SandboxView
from config.sandbox.seed import credentials
from config.sandbox.stand_ins import platform
from orders.models import Refund
from sync.http import Fen, Input, Problem, Whole

PAYER = "wechat-pay/payer"


class SucceedIn(Input):
    amount_fen = Fen(min_value=1, required=False)
    times = Whole(min_value=1, max_value=200, default=1)


class Succeed(SandboxView):
    """POST: the payer pays; WeChat Pay notifies the hub `times` times at once. `{delivered, statuses}`."""

    def post(self, request: HttpRequest, payment: UUID) -> Response:
        return Response(outcome.of(f"{PAYER}/{payment.hex}/succeed", SucceedIn.read(request)))


class EndIn(Input):
    times = Whole(min_value=1, max_value=200, default=1)


class EndRefund(SandboxView):
    """POST: a refund, by its id or number, ends like this; WeChat Pay notifies the hub. `{delivered, statuses}`."""

    word = ""

    def post(self, request: HttpRequest, refund: str) -> Response:
        found = Refund.objects.filter(number=refund).values_list("pk", flat=True).first() or _as_id(refund)
        if found is None:
            raise Problem("not_found")
        return Response(outcome.of(f"{PAYER}/refunds/{found.hex}/{self.word}", EndIn.read(request)))


class RotateCertificate(SandboxView):
    """POST: WeChat Pay signs with a new certificate from now on; the old one stays good. `{serial}`."""

    def post(self, request: HttpRequest) -> Response:
        return Response({"serial": platform.rotate(credentials.MCHID)})


def _as_id(text: str) -> UUID | None:
    """The id that a text is; None for anything else."""
    try:
        return UUID(text)
    except ValueError:
        return None

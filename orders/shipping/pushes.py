"""What 快递100 pushes: judged by the token in the path, the signature and the waybill; kept; then applied."""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import orjson
from django.conf import settings

from orders import services
from orders.models import Shipment
from orders.shipping import following, kuaidi100
from sync import clock, secret
from sync.act import Actor
from sync.http import Problem
from sync.http.input import loads
from sync.models import Channel

TYPE = "kuaidi100.push"
ANSWER = {"result": True, "returnCode": "200", "message": "成功"}
ABORT, SHUTDOWN = "abort", "shutdown"
Watch = Shipment.Watch


class Unknown(Exception):
    """No parcel is followed under this token."""


class NotSigned(Exception):
    """It is not signed with the parcel's salt."""


@dataclass(frozen=True)
class Push:
    """A push about a parcel of ours, in our words."""

    id: str
    parcel: Shipment
    told: dict

    @property
    def sender(self) -> str:
        """The account it is pushed to."""
        return f"kuaidi100/{settings.KUAIDI100_CUSTOMER or 'account'}"[:80]

    @property
    def subject(self) -> str:
        """What must be applied in order: the parcel it is about."""
        return f"kuaidi100/{self.parcel.pk}"

    @property
    def body(self) -> bytes:
        """What it tells, in one spelling."""
        return orjson.dumps(self.told, option=orjson.OPT_SORT_KEYS)


def read(token: str, form: Mapping[str, str]) -> Push:
    """The push in a form. Raises Unknown, NotSigned, and Problem `invalid` for what is no push about this parcel."""
    digest = secret.digest(token)
    parcel = Shipment.objects.filter(callback=digest, withdrawn_at=None).first()
    if parcel is None:
        raise Unknown
    param, sign = form.get("param", ""), form.get("sign", "")
    if not hmac.compare_digest(kuaidi100.signed(param, following.salt_of(token)).encode(), sign.strip().encode()):
        raise NotSigned
    told = _told(loads(param.encode()), parcel)
    stage = f"{parcel.watch} {parcel.watch_problem}"  # they may give up on a parcel again, in the same words
    named = hashlib.sha256(f"{stage}\n{param}".encode()).hexdigest()[:32]
    return Push(f"{parcel.pk}/{named}", parcel, told | {"shipment": str(parcel.pk), "callback": digest.hex()})


def apply(channel: Channel | None, data: dict, occurred_at: datetime, by: Actor) -> None:
    """`kuaidi100.push`: keep what was told, as far as the parcel is still the one it was told of."""
    rows = Shipment.objects.select_related("carried_by").filter(withdrawn_at=None)
    parcel = rows.filter(pk=data["shipment"], callback=bytes.fromhex(data["callback"])).first()
    if parcel is None:
        return  # corrected or taken back since
    state = data["state"] or (data["entries"] and data["entries"][0]["state"])
    services.track(shipment=parcel.pk, told=data["entries"], state=state, carrier=data["carrier"], by=by)
    if data["status"] == ABORT:
        following.subscribe_again(parcel)
    elif data["status"] == SHUTDOWN:
        services.let_go(shipment=parcel.pk, watch=Watch.OVER)
    else:
        following.told_of(parcel)


def _told(param: object, parcel: Shipment) -> dict:
    last = param.get("lastResult", {}) if isinstance(param, dict) else None
    if not isinstance(last, dict):
        raise Problem("invalid")
    number = str(last.get("nu", parcel.tracking_number))
    if number.casefold() != parcel.tracking_number.casefold():
        raise Problem.field("lastResult.nu", "")
    is_other = str(param.get("autoCheck")) == "1"
    return {
        "status": kuaidi100.plain(param.get("status"), 20),
        "message": kuaidi100.plain(param.get("message"), 80),
        "state": kuaidi100.state_of(last.get("state")),
        "carrier": kuaidi100.plain(param.get("comNew"), 40) if is_other else "",
        "entries": kuaidi100.entries(last, now=clock.now()),
    }

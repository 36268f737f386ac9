"""The courier's side of 快递100: parcels that move, and the pushes that tell everybody who follows them."""

import hashlib
import json
from datetime import UTC, datetime, timedelta, timezone
from time import monotonic
from urllib.parse import urlsplit

import httpx
from django.conf import settings
from django.db import transaction
from django.http import HttpRequest, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from config.sandbox import faults, waiting
from config.sandbox.models import Parcel, Subscription
from sync.ids import request_id

SHANGHAI = timezone(timedelta(hours=8))
PATIENCE = 5.0  # seconds 快递100 waits for an answer
STATUSES = {
    "0": "在途", "1": "揽收", "2": "疑难", "3": "签收", "4": "退签", "5": "派件", "6": "退回", "7": "转投",
    "8": "清关", "10": "待清关", "11": "清关中", "12": "已清关", "13": "清关异常", "14": "拒签",
}  # fmt: skip
WORDS = {
    "in_transit": "0", "collected": "1", "problem": "2", "delivered": "3", "returned": "4", "out_for_delivery": "5",
    "returning": "6", "customs": "8", "refused": "14",
}  # fmt: skip


def number_of(state: object) -> str | None:
    """快递100's number of a state told as that number or as the hub's word; None for neither."""
    text = str(state)
    return text if text in STATUSES else WORDS.get(text)


def folded(number: str) -> str:
    """A waybill however it is written."""
    return number.strip().upper()[:64]


@csrf_exempt
@require_POST
def push(request: HttpRequest, number: str) -> JsonResponse:
    """Move a parcel on, tell all who follow it, and say what became of each push. Waits for the first who follows."""
    asked = json.loads(request.body)
    parcel = _moved(folded(number), asked["state"], asked["text"], asked["place"])
    until = monotonic() + settings.SANDBOX_FOLLOWED_WITHIN
    while not parcel.subscriptions.exists() and monotonic() < until:
        waiting.pause(0.2)
    statuses = [tell(each) for each in parcel.subscriptions.select_related("parcel")]
    delivered = sum(status == 200 for status in statuses)
    return JsonResponse({"delivered": delivered, "statuses": statuses})


def subscribe(number: str, *, company: str, url: str, salt: str) -> bool:
    """Tell this address of a parcel from now on; False when it was told already."""
    parcel, _made = Parcel.objects.get_or_create(number=folded(number))
    known = {"company": company, "salt": salt}
    made, is_new = Subscription.objects.get_or_create(parcel=parcel, callback_url=url[:300], defaults=known)
    if is_new and parcel.entries:
        tell(Subscription.objects.select_related("parcel").get(pk=made.pk))
    return is_new


def tell(subscription: Subscription) -> int | None:
    """Push the whole list, signed; the status of the answer, None where it was lost or there was none."""
    param = json.dumps(_push_of(subscription), ensure_ascii=False)
    salt = "somebody else's" if faults.strikes("missign_carrier_pushes") else subscription.salt
    form = {"param": param, "sign": hashlib.md5(f"{param}{salt}".encode(), usedforsecurity=False).hexdigest().upper()}
    if faults.strikes("lose_carrier_pushes"):
        return None
    url = f"http://127.0.0.1:{settings.PORT}{urlsplit(subscription.callback_url).path}"
    waiting.let_go()
    try:
        headers = {"X-Request-ID": request_id.get()}
        return httpx.post(url, data=form, headers=headers, timeout=PATIENCE, trust_env=False).status_code
    except httpx.HTTPError:
        return None


def last_result(parcel: Parcel, company: str) -> dict:
    """Where a parcel is, as pushes and answers tell it."""
    is_signed = "1" if parcel.state == "3" else "0"
    known = {"message": "ok", "state": parcel.state, "ischeck": is_signed, "condition": "F00", "com": company}
    return known | {"nu": parcel.number, "data": json.loads(parcel.entries or "[]")}


def _push_of(subscription: Subscription) -> dict:
    last = last_result(subscription.parcel, subscription.company)
    told = {"status": "polling", "billstatus": "got", "message": "", "autoCheck": "0", "comOld": "", "comNew": ""}
    return told | {"lastResult": last}


@transaction.atomic
def _moved(number: str, state: str, text: str, place: str) -> Parcel:
    Parcel.objects.get_or_create(number=number)
    parcel = Parcel.objects.select_for_update().get(number=number)
    at = datetime.now(UTC).astimezone(SHANGHAI).strftime("%Y-%m-%d %H:%M:%S")
    entry = {"time": at, "ftime": at, "context": text, "status": STATUSES[state], "statusCode": state}
    entry |= {"areaName": place or None, "areaCode": None, "location": place}
    parcel.entries = json.dumps([entry, *json.loads(parcel.entries or "[]")], ensure_ascii=False)
    parcel.state = state
    parcel.save(update_fields=["entries", "state"])
    return parcel

"""The next call for an upload: what of an order's shipping WeChat does not hold yet, written down before it is sent."""

import json
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from django.db import transaction

from members import services as members
from orders import queries
from orders.models import Order, Payment, ShippingUpload
from orders.shipping import contents
from orders.shipping.contents import Contents, Unfit
from orders.shipping.uploading import DIFFERS, State
from sync import clock

LEASE = timedelta(minutes=1)
SHANGHAI = ZoneInfo("Asia/Shanghai")


@dataclass(frozen=True)
class Call:
    """An upload that may be sent now: fenced by its lease."""

    upload: ShippingUpload
    body: dict


def read(upload_id: UUID) -> ShippingUpload:
    """An upload with all that a call needs."""
    rows = ShippingUpload.objects.select_related("payment__channel", "payment__order", "payment__merchant")
    return rows.get(pk=upload_id)


@transaction.atomic
def prepared(upload_id: UUID) -> Call | None:
    """The next call for an upload, written down before it is made; None: there is nothing to send now."""
    ShippingUpload.objects.select_for_update(no_key=True).get(pk=upload_id)
    upload = read(upload_id)
    if upload.state in {State.SENDING, State.UNCLEAR}:
        return None
    order = queries.whole().get(pk=upload.payment.order_id)
    if order.payment_status != Order.PaymentStatus.PAID or order.refund_status == Order.RefundStatus.FULL:
        return _rest(upload, upload.problem)
    try:
        wanted = contents.of(order)
        if wanted is None or not (news := _news(upload, wanted)):
            return _rest(upload, _standing(upload, wanted))
        body = _body(upload.payment, wanted, news, _mode(upload, wanted))
    except Unfit as error:
        return _unfit(upload, str(error))
    asked = {"type": wanted.logistics_type, "mode": body["delivery_mode"], "is_all": wanted.is_all}
    asked |= {"pairs": [contents.pair(each) for each in news], "digest": wanted.digest.hex()}
    upload.state, upload.attempts, upload.problem = State.SENDING, min(upload.attempts + 1, 30_000), ""
    upload.body, upload.next_at = with_(upload, asked=asked), clock.now() + LEASE
    upload.save(update_fields=["state", "attempts", "problem", "body", "next_at"])
    return Call(upload, body)


def _news(upload: ShippingUpload, wanted: Contents) -> list[dict]:
    """The parcels to send: what WeChat does not hold yet, or for a correction all of them."""
    if upload.wants_correction:
        return list(wanted.parcels) if not upload.is_corrected else []
    if upload.is_complete or _is_refused_as_it_is(upload, wanted):
        return []
    told = {tuple(each) for each in kept(upload)["told"]}
    fresh = [parcel for parcel in wanted.parcels if contents.pair(parcel) not in told]
    fresh = fresh[: max(contents.MOST_PARCELS - len(told), 0)]
    return fresh or list(wanted.parcels[-1:] if wanted.is_all else ())


def _is_refused_as_it_is(upload: ShippingUpload, wanted: Contents) -> bool:
    return upload.state == State.FAILED and kept(upload)["asked"].get("digest") == wanted.digest.hex()


def _mode(upload: ShippingUpload, wanted: Contents) -> int:
    """Whole or split; once told, changing it would be the correction."""
    if (told := kept(upload)["asked"].get("mode")) and kept(upload)["told"] and not upload.wants_correction:
        return told
    is_split = wanted.logistics_type == contents.EXPRESS and (len(wanted.parcels) > 1 or not wanted.is_all)
    return contents.SPLIT if is_split else contents.UNIFIED


def _standing(upload: ShippingUpload, wanted: Contents | None) -> str:
    """What is wrong with what WeChat holds, when there is nothing to send."""
    if upload.state != State.SENT or not upload.is_complete or not upload.body:
        return upload.problem
    told = {tuple(each) for each in kept(upload)["told"]}
    return "" if wanted and told == set(wanted.pairs) else DIFFERS


def _body(payment: Payment, wanted: Contents, news: list[dict], mode: int) -> dict:
    if payment.channel.app_id != payment.app_id:
        raise Unfit("app")
    openid = payment.payer or _openid(payment)
    if not openid:
        raise Unfit("payer")
    split = {"is_all_delivered": wanted.is_all} if mode == contents.SPLIT else {}
    return {
        "order_key": _key(payment),
        "logistics_type": wanted.logistics_type,
        "delivery_mode": mode,
        "shipping_list": news,
        "upload_time": clock.now().astimezone(SHANGHAI).isoformat(timespec="milliseconds"),
        "payer": {"openid": openid},
    } | split


def _key(payment: Payment) -> dict:
    """How WeChat knows the payment."""
    if payment.transaction_id:
        return {"order_number_type": 2, "transaction_id": payment.transaction_id}
    return {"order_number_type": 1, "mchid": payment.merchant.mchid, "out_trade_no": payment.pk.hex}


def _openid(payment: Payment) -> str | None:
    """The payer of what was paid by a code or a link, as far as the buyer is known in that app."""
    member = payment.order.member_id
    return members.openid(member, payment.app_id) if member else None


def _unfit(upload: ShippingUpload, why: str) -> None:
    """It lacks something that only people can add: looked at again when the parcels change, or when they say so."""
    if upload.wants_correction or (upload.state == State.SENT and upload.is_complete):
        return _rest(upload, DIFFERS if upload.is_complete else why, wants_correction=False, state=State.SENT)
    return _rest(upload, f"lacks {why}", state=State.FAILED)


def _rest(upload: ShippingUpload, problem: str, **fields) -> None:
    """Nothing to do until something changes."""
    ShippingUpload.objects.filter(pk=upload.pk).update(next_at=None, problem=problem, **fields)


def kept(upload: ShippingUpload) -> dict:
    """What WeChat holds (`told`: pairs) and what was sent last (`asked`)."""
    return {"told": [], "asked": {}} | json.loads(upload.body or "{}")


def asked_pairs(upload: ShippingUpload) -> list:
    """The parcels of what was sent last."""
    return kept(upload)["asked"].get("pairs", [])


def with_(upload: ShippingUpload, **more) -> str:
    """The body with these parts in place of what was kept."""
    return json.dumps(kept(upload) | more, ensure_ascii=False)

"""A whole life in the hub, then the erasure: before it nothing lies in clear that need not, after it nothing at all."""

import base64
import io
import json
import zipfile
from logging import Formatter

import pytest
from django.core.cache import cache
from django.test import Client
from PIL import Image

from loyalty import services as loyalty
from members import erasing, exporting, merging, services
from members.models import Freeze, Identity, Member, PrivacyRequest
from orders.models import Disclosure, Intervention, Order, Recipient, Refund, Shipment, ShippingUpload
from sync import inbox
from sync.act import SYSTEM, act
from sync.clock import Clock
from sync.models import InboxMessage
from sync.secret import blind_index
from tests import make, plans
from tests.config import make_staff
from tests.members import dumps, make_privacy
from tests.orders import make_orders

pytestmark = pytest.mark.django_db
PHONE, SECOND = "13800138000", "13700137000"
OPENID, UNIONID, OTHER_OPENID = "openid-of-ming-long", "unionid-of-ming-long", "openid-of-the-second-ming"
NAME, NICKNAME, EMAIL, STREET = "王晓明亮", "小明的昵称", "ming.wang@example.cn", "文三路四百七十八号"
WORDS = "那位常来的老顾客亲口说的"  # of staff: theirs lie in clear
NOTE, DEVICE, EXTERNAL = "请放在门卫老张处", "Mings-own-phone/1.0", "customer-900077"
SEALED = [PHONE, SECOND, OPENID, UNIONID, OTHER_OPENID, NAME, EMAIL, STREET, NOTE, EXTERNAL]
ALL = [*SEALED, NICKNAME, DEVICE, WORDS]
PLACE = {
    "receiver": NAME,
    "phone": PHONE,
    "province": "浙江省",
    "city": "杭州市",
    "street": STREET,
    "district": "西湖区",
}


@act
def merged(source, target):
    source, target = services.lock(source.id, target.id)
    merging.merge(source, target, why=WORDS, by=SYSTEM)


def picture() -> io.BytesIO:
    made = io.BytesIO()
    Image.new("RGB", (32, 32), "red").save(made, "PNG")
    made.name = "me.png"
    made.seek(0)
    return made


def told(name: str, type: str, data: dict) -> None:
    """A fact that the channel's backend pushes in, applied or put aside."""
    body = {"specversion": "1.0", "id": name, "source": "/channels/website", "type": type, "data": data}
    inbox.store("channels/website", name, type, name, json.dumps(body, ensure_ascii=False).encode())
    inbox.apply_due()


def handled(order: Order) -> None:
    """Its parcel, its refund and what staff did with it, as they lie there in the end; and what a courier pushed."""
    courier = json.dumps(
        [{"at": "2026-11-20T00:00:00.000Z", "text": f"{NAME} {PHONE}", "state": "delivered", "place": STREET}]
    )
    parcel = Shipment.objects.create(
        order=order, carrier="SF", tracking_number="SF900077", tracking=courier, shipped_at=Clock(), callback=b"digest"
    )
    sender, told = "kuaidi100/account", {"shipment": str(parcel.pk), "entries": [{"text": f"{NAME} {PHONE}"}]}
    row = InboxMessage(sender=sender, message_id="p-1", type="kuaidi100.push", body=json.dumps(told), body_digest=b"")
    row.state, row.applied_at = "applied", Clock()
    row.save(force_insert=True)
    InboxMessage.objects.create(
        sender="channels/website", message_id="p-2", type="order.paid", body_digest=b"", state="parked",
        waits_for="order/website/1", body=json.dumps({"data": {"contact": {"phone": PHONE, "name": NAME}}}),
    )  # fmt: skip
    money = {"state": "paid", "paid_at": Clock(), "transaction_id": "4200-900077", "payer": OPENID}
    payment = make_orders.payment(order, **money)
    ShippingUpload.objects.create(payment=payment, body=json.dumps({"payer": OPENID, "contact": PHONE}))
    back = {"amount_fen": 1, "state": "done", "refunded_at": Clock(), "asked_by": "staff/1"}
    Refund.objects.create(order=order, payment=payment, reason=NOTE + NAME, **back)
    Intervention.objects.create(order=order, kind="refunded", reason=WORDS, by="staff/1")
    Disclosure.objects.create(order=order, reason=WORDS, actor="staff/1")


@pytest.fixture
def lived(doors, bearer, outside, caplog):
    """Registered by SMS, linked to WeChat, bought, was spoken of, earned, merged, took a copy. Their client."""
    caplog.set_level("DEBUG")
    make.channel("mini-program")
    client = bearer(doors.sms(PHONE), "website")
    member = Member.objects.get()
    wechat = bearer(doors.mini_program(OPENID, UNIONID))
    bearer(doors.link_by_wechat(wechat, f"+86{PHONE}"))
    profile = {"nickname": NICKNAME, "email": EMAIL, "gender": "male", "birthday": "1990-05-17"}
    assert client.patch("me", profile, headers={"If-Match": client.get("me")["ETag"]}).status_code == 200
    assert client.post("me/addresses", PLACE | {"is_default": True}).status_code == 201
    client.http.post("/api/v1/me/avatar", {"file": picture()}, headers=client.headers)

    backend = make.backend_client()
    identities = [{"kind": "phone", "value": PHONE}, {"kind": "external", "value": EXTERNAL}]
    backend.post("members/resolve", {"identities": identities, "profile": {"nickname": NICKNAME}})
    order = make_orders.body(
        member_id=str(member.pk), address=PLACE, contact={"phone": PHONE, "name": NAME}, buyer_note=NOTE
    )
    assert backend.post("orders", order, headers={"Idempotency-Key": "order-1"}).status_code == 201
    told("fact-1", "order.placed", make_orders.body(identity={"kind": "phone", "value": PHONE}, address=PLACE))
    told("fact-2", "order.placed", {"contact": {"phone": PHONE, "name": NAME}})
    assert set(InboxMessage.objects.values_list("state", flat=True)) == {"applied", "quarantined"}
    loyalty.earn(member=member.pk, points=50, reference="gift", by=SYSTEM)

    second = bearer(doors.mini_program(OTHER_OPENID))
    second.http.defaults["HTTP_USER_AGENT"] = DEVICE
    doors.link_by_wechat(second, f"+86{SECOND}")
    merged(Member.objects.exclude(pk=member.pk).get(status="active", merged_into=None), member)
    handled(Order.objects.get(buyer_note__isnull=False))
    done = {"payment_status": "paid", "paid_at": Clock()}
    Order.objects.update(**done, fulfilment_status="completed", completed_at=Clock())
    return make_privacy.stepped_up(member)


def copied(client) -> str:
    """Takes a copy along; returns the data in it."""
    key = client.post("me/exports").json()["id"]
    exporting.make_due()
    answer = Client().get(client.get(f"me/exports/{key}").json()["url"].partition(":8000")[2])
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        return archive.read("data.json").decode()


def said(caplog) -> bytes:
    """Everything that was logged, set-up included."""
    records = [*caplog.get_records("setup"), *caplog.get_records("call")]
    return "\n".join(Formatter().format(record) for record in records).encode()


def test_before_it_nothing_lies_in_clear_that_need_not(lived, caplog):
    data = copied(lived)
    assert all(word in data for word in [*SEALED, NICKNAME])  # it is all there, for its owner
    assert dumps.found_in(dumps.tables(), SEALED) == {}
    assert dumps.found_in({"valkey": dumps.valkey(), "log": said(caplog)}, SEALED) == {}


def test_after_it_nothing_is_left_in_any_encoding(lived, caplog):
    lived.post("me/exports")
    exporting.make_due()
    assert make_privacy.erase(lived) == 1, PrivacyRequest.objects.values()

    assert dumps.found_in(dumps.tables(), ALL) == {}
    assert dumps.found_in({"valkey": dumps.valkey(), "log": said(caplog)}, ALL) == {}
    assert not Identity.objects.exists()
    assert not Recipient.objects.exists()
    assert not InboxMessage.objects.filter(body__isnull=False).exists()
    assert not InboxMessage.objects.filter(state="parked").exists()
    assert list(Shipment.objects.values_list("tracking", "callback", "watch")) == [(None, None, "over")]
    assert list(ShippingUpload.objects.values_list("body", "next_at")) == [(None, None)]
    assert list(Refund.objects.values_list("reason", "state")) == [(None, "done")]
    assert Intervention.objects.count() == 1


@pytest.mark.parametrize(
    "shape",
    [
        PHONE, PHONE[::-1], PHONE.encode().hex(),
        *[base64.b64encode(b"x" * shift + PHONE.encode() + b"yz").decode() for shift in range(3)],
        json.dumps({"name": NAME}), NAME, "%E7%8E%8B%E6%99%93%E6%98%8E%E4%BA%AE",
    ],
)  # fmt: skip
def test_the_dump_finds_a_word_wherever_it_lies(shape):
    """Else the tests above prove nothing."""
    cache.set("planted", shape)
    Freeze.objects.create(
        member=make.member(), scopes=["orders"], reason="other", note=shape, by="staff/1", approved_by="staff/2"
    )
    assert "members_freeze" in dumps.found_in(dumps.tables(["members_freeze"]), [PHONE, NAME])
    assert dumps.found_in({"valkey": dumps.valkey()}, [PHONE, NAME])
    cache.delete("planted")


def test_staff_find_the_person_by_phone_and_last_four_through_an_index_and_then_no_more(lived):
    staff = make_staff.signed_in("support", [make.channel(), make.channel("mini-program")])
    listed = "/admin/members/member/"
    number = Member.objects.get(pk=lived.member.pk).number
    for words in (PHONE, PHONE[-4:], NICKNAME):
        assert number in staff.get(listed, {"q": words}).content.decode()
    by_phone = plans.of("SELECT * FROM members_member WHERE phone_index = %s", [blind_index("phone", f"+86{PHONE}")])
    by_last_four = plans.of("SELECT * FROM members_member WHERE phone_last4 = %s", [PHONE[-4:]])
    assert "Index" in by_phone
    assert "member_phone_last4" in by_last_four

    assert make_privacy.erase(lived) == 1
    for words in (PHONE, PHONE[-4:], NICKNAME):
        assert number not in staff.get(listed, {"q": words}).content.decode()
    assert erasing.erase_due() == 0

"""WeChat's message pushes: proven, opened, applied once; what the hub does not know is passed on."""

import json
import time
from datetime import timedelta

import pytest
from django.test import Client

from members.models import NoticeConsent, NoticeTemplate
from orders import wechat_push, wechat_sealing
from orders.models import ShippingUpload
from orders.wechat_sealing import NotGenuine
from sync import forgetting, forwarding, retention
from sync.models import Endpoint, ForwardedPush, InboxMessage, Measure
from tests import make
from tests.orders import make_orders, make_pushes
from tests.orders.make_pushes import event, push, push_sealed

pytestmark = pytest.mark.django_db(transaction=True)

SECRET = "whsec_" + "c2VjcmV0LW9mLXRoZS1lbmRwb2ludC0tLS0="
# A message that a foreign implementation sealed (wechatpy's own tests): its token, EncodingAESKey, app, query, body.
FOREIGN = {
    "token": "123456",
    "key": "kWxPEV2UEDyxWpmPdKC3F4dgPDmOvfKX1HGnEUDS1aR",
    "app_id": "wx49f0ab532d5d035a",
    "now": 1411525903,
}
FOREIGN_QUERY = {
    "msg_signature": "74d92dfeb87ba7c714f89d98870ae5eb62dff26d",
    "timestamp": "1411525903",
    "nonce": "461056294",
}
FOREIGN_SEALED = (
    "RgqEoJj5A4EMYlLvWO1F86ioRjZfaex/gePD0gOXTxpsq5Yj4GNglrBb8I2BAJVODGajiFnXBu7mCPatfjsu6IHCrsTyeDXzF6Bv283dGymzxh6yd"
    "JRvZsryDyZbLTE7rhnus50qGPMfp2wASFlzEgMW9z1ef/RD8XzaFYgm7iTdaXpXaG4+BiYyolBug/gYNx410cvkKR2/nPwBiT+P4hIiOAQqGp/Tyw"
    "ZBtDh1yCF2KOd0gpiMZ5jSw3e29mTvmUHzkVQiMS6td7vXUaWOMZnYZlF3So2SjHnwh4jYFxdgpkHHqIrH/54SNdshoQgWYEvccTKe7FS709/5t6N"
    "MxuGhcUGAPOQipvWTT4dShyqio7mlsl5noTrb++x6En749zCpQVhDpbV6GDnTbcX2e8K9QaNWHp91eBdCRxthuL0="
)
FOREIGN_BODY = f"<xml><Encrypt><![CDATA[{FOREIGN_SEALED}]]></Encrypt><AgentID><![CDATA[1]]></AgentID></xml>".encode()


@pytest.fixture
def app(db):
    return make_pushes.channel()


@pytest.fixture
def safe(db):
    """The same app in WeChat's safe mode."""
    return make_pushes.channel(sealed=True)


@pytest.fixture
def paid(app):
    order = make_orders.order(channel="mini-program")
    merchant = make_orders.Merchant.objects.create(
        mchid=make_orders.MCHID, name="商户", api_key="k", private_key="k", serial="1"
    )
    payment = make_orders.payment(order, merchant=merchant, payer="openid-of-ming")
    make_orders.pay(payment, transaction_id="4200000001")
    return order


def settlement(**fields):
    known = {"transaction_id": "4200000001", "merchant_id": make_orders.MCHID, "sub_merchant_id": ""}
    known |= {"merchant_trade_no": "1", "pay_time": 1671160000, "shipped_time": 1671170000}
    return event("trade_manage_order_settlement", **known | fields)


RELEASED = {"confirm_receive_method": 2, "confirm_receive_time": 1671180000, "settlement_time": 1671189000}


def test_wechats_check_of_the_address_is_answered_with_its_echo(app):
    asked = make_pushes.query() | {"echostr": "<b>4375120948345356249</b>"}
    answer = Client().get("/callbacks/wechat/wx-mini-program", asked)
    assert (answer.status_code, answer.content.decode()) == (200, asked["echostr"])
    assert answer["Content-Type"] == "text/plain; charset=utf-8"


@pytest.mark.parametrize(
    "wrong", [{"signature": "0" * 40}, {"timestamp": "1"}, {"timestamp": "١٢"}, {"nonce": "other"}, {"signature": ""}]
)
def test_a_check_that_is_not_wechats_is_refused(app, wrong):
    asked = make_pushes.query() | {"echostr": "1"} | wrong
    assert Client().get("/callbacks/wechat/wx-mini-program", asked).status_code == 401


@pytest.mark.parametrize("app_id", ["wx-nobody", "wx-website", "wx-app"])
def test_an_app_that_takes_no_pushes_is_no_address(app, app_id):
    make.channel("website")
    make.channel("app", push_token=make_pushes.TOKEN, is_active=False)
    answer = push(event("anything"), app_id=app_id)
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


def test_other_methods_are_refused(app):
    assert Client().put("/callbacks/wechat/wx-mini-program").status_code == 405


def test_a_released_payment_is_noted_once_however_often_it_is_told(paid):
    told = settlement(**RELEASED)
    for _time in range(3):
        answer = push(told)
        assert (answer.status_code, answer.content) == (200, b"success")
    assert ShippingUpload.objects.get().settled_at.timestamp() == RELEASED["settlement_time"]
    message = InboxMessage.objects.get()
    assert (message.sender, message.type) == ("wechat/wx-mini-program", "wechat.trade_manage_order_settlement")
    assert message.state == "applied"


def test_shipped_is_not_yet_released(paid):
    assert push(settlement(estimated_settlement_time=1672190000)).status_code == 200
    assert not ShippingUpload.objects.exists()


def test_xml_says_the_same_as_json(paid):
    fields = "".join(f"<{name}><![CDATA[{value}]]></{name}>" for name, value in settlement(**RELEASED).items())
    assert push(f"<xml>{fields}</xml>".encode()).status_code == 200
    assert ShippingUpload.objects.get().settled_at.timestamp() == RELEASED["settlement_time"]


def test_money_of_somebody_else_changes_nothing(paid):
    assert push(settlement(**RELEASED | {"transaction_id": "4299"})).status_code == 200
    assert not ShippingUpload.objects.exists()


def test_a_settlement_that_names_no_payment_is_quarantined(paid):
    assert push(settlement(**RELEASED | {"transaction_id": None})).status_code == 200
    assert InboxMessage.objects.get().state == "quarantined"


@pytest.mark.parametrize("as_xml", [True, False])
def test_a_sealed_push_is_opened(safe, paid, as_xml):
    make_pushes.channel(sealed=True)
    assert push_sealed(settlement(**RELEASED), as_xml=as_xml).content == b"success"
    assert ShippingUpload.objects.get().settled_at


def test_the_same_content_sealed_anew_is_the_same_push(safe):
    told = event("trade_manage_remind_access_api", msg="接入")
    push_sealed(told)
    push_sealed(told)
    assert InboxMessage.objects.count() == 1


def test_an_app_with_a_key_takes_nothing_in_clear(safe):
    before = make.snapshot()
    assert push(settlement(**RELEASED)).status_code == 401
    assert {**make.snapshot(), "sync_measure": 0} == {**before, "sync_measure": 0}


@pytest.mark.parametrize("wrong", [{"whose": "wx-website"}, {"key": "B" * 43}])
def test_what_is_sealed_for_another_app_or_under_another_key_is_refused(safe, wrong):
    assert push_sealed(settlement(**RELEASED), **wrong).status_code == 401
    assert Measure.objects.get(name="wechat.pushes_refused").value == 1


def test_every_byte_of_a_sealed_push_counts(safe):
    encrypted = make_pushes.sealed(b'{"MsgType": "event", "Event": "x"}')
    asked = make_pushes.query(encrypted, name="msg_signature")
    known = {"token": make_pushes.TOKEN, "key": make_pushes.KEY, "app_id": make_pushes.APP, "now": time.time()}
    for n in range(len(encrypted)):
        other = encrypted[:n] + ("A" if encrypted[n] != "A" else "B") + encrypted[n + 1 :]
        with pytest.raises(NotGenuine):
            wechat_sealing.read(asked, json.dumps({"Encrypt": other}).encode(), **known)


@pytest.mark.parametrize("late", [301, -301])
def test_old_and_early_pushes_are_refused(app, late):
    assert push(event("anything"), at=time.time() - late).status_code == 401


def test_a_foreign_implementations_message_opens():
    told = wechat_sealing.read(FOREIGN_QUERY, FOREIGN_BODY, **FOREIGN)
    assert (told["Content"], told["FromUserName"]) == ("test", "messense")
    with pytest.raises(NotGenuine):
        wechat_sealing.read(FOREIGN_QUERY, FOREIGN_BODY, **FOREIGN | {"app_id": "wx49f0ab532d5d035b"})


BOMB = b'<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><xml><MsgType>&b;</MsgType></xml>'
EXTERNAL = b'<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><xml><MsgType>&a;</MsgType></xml>'


@pytest.mark.parametrize(
    "body",
    [
        *[BOMB, EXTERNAL, b"<xml>" * 50 + b"</xml>" * 50, b"<xml>" + b"<a/>" * 3000 + b"</xml>", b"<xml>", b"", b"[]"],
        *[b"1", b'{"a": 1, "a": 2}', b"\xff\xfe", b"<xml>\xff</xml>", b"{" * 10_000],
    ],
)
def test_hostile_bodies_are_refused(app, body):
    before = make.snapshot()
    assert push(body).status_code == 401
    assert {**make.snapshot(), "sync_measure": 0} == {**before, "sync_measure": 0}


def test_a_push_beyond_the_size_is_too_large(app):
    assert push(b"{" + b" " * wechat_sealing.MOST + b"}").status_code == 413


@pytest.mark.parametrize("name", ["trade_manage_remind_shipping", "trade_manage_remind_access_api"])
def test_what_wechat_asks_for_is_measured_once(paid, name):
    told = event(name, transaction_id="4200000001", msg="请发货")
    push(told)
    push(told)
    measured = Measure.objects.get(name=wechat_push.MEASURED[name])
    assert (measured.value, measured.samples) == (1, 1)


def test_a_reminder_has_what_is_shipped_told(paid):
    type(paid).objects.filter(pk=paid.pk).update(fulfilment_status="shipped", shipped_at=make.NOON)
    push(event("trade_manage_remind_shipping", transaction_id="4200000001"))
    assert ShippingUpload.objects.get().state == "waiting"


@pytest.fixture
def consent(app):
    template = NoticeTemplate.objects.create(
        channel=app, template_id="template-1", occasion="order_shipped", title="订单发货提醒"
    )
    member = make.member(channel="mini-program", openid="openid-of-ming")
    return NoticeConsent.objects.create(member=member, template=template, left=3, last_result="accept")


TURNED_OFF = {"TemplateId": "template-1", "SubscribeStatusString": "reject"}
REFUSED = {"TemplateId": "template-1", "MsgID": "1", "ErrorCode": "43101", "ErrorStatus": "user refuse to accept"}
SENT = {"TemplateId": "template-1", "MsgID": "1", "ErrorCode": "0", "ErrorStatus": "success"}


@pytest.mark.parametrize(
    ("told", "left"),
    [
        (event("subscribe_msg_change_event", List=TURNED_OFF), 0),
        (event("subscribe_msg_change_event", List=[TURNED_OFF]), 0),
        (event("subscribe_msg_change_event", SubscribeMsgChangeEvent={"List": [TURNED_OFF]}), 0),
        (event("subscribe_msg_change_event", List=TURNED_OFF | {"TemplateId": "another"}), 3),
        (event("subscribe_msg_change_event", FromUserName="somebody", List=TURNED_OFF), 3),
        (event("subscribe_msg_sent_event", List=REFUSED), 0),
        (event("subscribe_msg_sent_event", SubscribeMsgSentEvent={"List": REFUSED}), 0),
        (event("subscribe_msg_sent_event", List=SENT), 3),
        (event("subscribe_msg_sent_event", List="nothing"), 3),
    ],
)
def test_messages_a_person_does_not_want_are_not_sent_any_more(consent, told, left):
    assert push(told).status_code == 200
    consent.refresh_from_db()
    assert consent.left == left
    assert InboxMessage.objects.get().state == "applied"
    assert "openid-of-ming" not in InboxMessage.objects.get().subject


@pytest.fixture
def endpoint(app):
    return Endpoint.objects.create(channel=app, url="http://127.0.0.1:9/hook", secret=SECRET)


CUSTOMER = {
    "MsgType": "text",
    "Content": "我的手机 13800138000",
    "FromUserName": "openid-of-ming",
    "CreateTime": 1482048670,
}


def test_what_the_hub_does_not_know_is_kept_for_the_channel_once(endpoint):
    Endpoint.objects.create(
        channel=endpoint.channel, url="http://127.0.0.1:9/orders", secret=SECRET, types=["order.paid"]
    )
    for _time in range(2):
        assert push(CUSTOMER).content == b"success"
    kept = ForwardedPush.objects.get()
    event = json.loads(kept.body)
    assert (event["type"], event["source"], event["id"]) == ("wechat.push", "/wechat/wx-mini-program", str(kept.pk))
    assert (event["time"], event["data"]) == ("2016-12-18T08:11:10.000Z", CUSTOMER)
    assert b"138" not in bytes(ForwardedPush.objects.values_list("body", flat=True).get())
    assert not InboxMessage.objects.exists()


def test_somebody_erased_leaves_no_message_on_its_way(endpoint):
    push(CUSTOMER)
    push(CUSTOMER | {"FromUserName": "openid-of-lan", "Content": "hello"})
    assert forgetting.forget_messages({(forgetting.EVERYWHERE, "openid-of-ming")}) == 1
    assert ForwardedPush.objects.count() == 1


def test_messages_are_forgotten_after_some_days(endpoint):
    push(CUSTOMER)
    assert forwarding.drop_old() == 0
    ForwardedPush.objects.update(created_at=make.NOON - timedelta(days=8))
    assert forwarding.drop_old() == 1
    assert retention.drop_messages() == 0

"""Paths of the stand-ins' own process, each below the base URL that the hub would give the real one."""

from django.http import JsonResponse
from django.urls import include, path

from config.sandbox.stand_ins import (
    backends,
    courier,
    kuaidi100,
    payer,
    pushing,
    refunds,
    shipping,
    sms,
    wechat,
    wechat_pay,
)


def not_found(request, exception):
    return JsonResponse({"error": "not found"}, status=404)


handler404 = not_found

trades = [
    path("jsapi", wechat_pay.jsapi),
    path("native", wechat_pay.native),
    path("h5", wechat_pay.h5),
    path("out-trade-no/<str:number>", wechat_pay.query),
    path("out-trade-no/<str:number>/close", wechat_pay.close),
]
stand_ins = [
    path("wechat/sns/jscode2session", wechat.jscode2session),
    path("wechat/sns/oauth2/access_token", wechat.oauth2_access_token),
    path("wechat/cgi-bin/stable_token", wechat.stable_token),
    path("wechat/wxa/business/getuserphonenumber", wechat.getuserphonenumber),
    path("wechat/cgi-bin/message/subscribe/send", wechat.subscribe_send),
    path("wechat/wxa/sec/order/upload_shipping_info", shipping.upload),
    path("wechat/wxa/sec/order/get_order", shipping.get_order),
    path("wechat/wxa/sec/order/notify_confirm_receive", shipping.notify_confirm_receive),
    path("wechat-pusher/push", pushing.push),
    path("wechat-pusher/settle/<str:transaction_id>", pushing.settle),
    path("wechat-open/connect/qrconnect", wechat.qrconnect),
    path("wechat-pay/v3/pay/transactions/", include(trades)),
    path("wechat-pay/v3/certificates", wechat_pay.certificates),
    path("wechat-pay/v3/bill/tradebill", wechat_pay.tradebill),
    path("wechat-pay/v3/billdownload/file", wechat_pay.billdownload),
    path("wechat-pay/v3/refund/domestic/refunds", refunds.create),
    path("wechat-pay/v3/refund/domestic/refunds/<str:number>", refunds.query),
    path("wechat-pay/payer/refunds/<str:number>/<str:word>", refunds.end),
    path("wechat-pay/payer/<str:number>/succeed", payer.succeed),
    path("kuaidi100/poll", kuaidi100.poll),
    path("kuaidi100/poll/query.do", kuaidi100.query),
    path("kuaidi100/parcels/<str:number>/push", courier.push),
    path("sms/messages", sms.messages),
    path("sms/notices", sms.notices),
    path("backends/<slug:code>", backends.receive),
]
urlpatterns = [path("stand-ins/", include(stand_ins))]

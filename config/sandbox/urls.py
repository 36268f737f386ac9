"""Paths of the sandbox under /sandbox/ (contract §6)."""

from django.urls import path, re_path

from config.sandbox.api import around, courier, pages, paying, people, pushing, view

urlpatterns = [
    path("", pages.two_channels),
    path("policies/<slug:purpose>/<slug:version>/<slug:locale>", pages.policy),
    path("sms", people.Sms.as_view()),
    path("wechat/users", people.Users.as_view()),
    path("wechat/users/<str:openid>", people.User.as_view()),
    path("wechat/users/<str:openid>/login-code", people.Code.as_view(kind="login")),
    path("wechat/users/<str:openid>/phone-code", people.Code.as_view(kind="phone")),
    path("wechat/users/<str:openid>/qr-code", people.Code.as_view(kind="qr")),
    path("wechat/uploads", pushing.Uploads.as_view()),
    path("wechat/uploads/<str:transaction_id>/settle", pushing.Settle.as_view()),
    path("wechat/pushes", pushing.Push.as_view()),
    path("sms/notices", pushing.TextNotices.as_view()),
    path("wechat/notices", around.Notices.as_view()),
    path("wechat-pay/<uuid:payment>/succeed", paying.Succeed.as_view()),
    path("wechat-pay/refunds/<str:refund>/succeed", paying.EndRefund.as_view(word="succeed")),
    path("wechat-pay/refunds/<str:refund>/abnormal", paying.EndRefund.as_view(word="abnormal")),
    path("wechat-pay/refunds/<str:refund>/close", paying.EndRefund.as_view(word="close")),
    path("wechat-pay/rotate-certificate", paying.RotateCertificate.as_view()),
    path("carrier/<str:number>/push", courier.Push.as_view()),
    path("channels/<slug:code>/received", around.ReceivedByBackend.as_view()),
    path("channels/<slug:code>/mode", around.BackendMode.as_view()),
    path("faults", around.Faults.as_view()),
    path("credentials", around.Credentials.as_view()),
    path("reset", around.Reset.as_view()),
    re_path("", view.Nowhere.as_view()),
]

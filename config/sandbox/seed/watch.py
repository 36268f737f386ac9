"""What the seeded house is alerted of."""

from sync.models import AlertRule

PEOPLE = ["ops@sandbox.invalid"]  # written to mail/ in the data folder
FIVE_MINUTES, AN_HOUR = 300, 3_600
WATCHED = [  # code, name, measure, window in seconds, threshold, least samples
    ("endpoints-disabled", "推送地址被停用", "endpoints.disabled", FIVE_MINUTES, 1, 1),
    ("deliveries-dead", "消息推送失败待处理", "deliveries.dead", FIVE_MINUTES, 1, 1),
    ("privacy-overdue", "个人信息请求逾期", "privacy.overdue", FIVE_MINUTES, 0.5, 1),
    ("shipping-unsent", "发货信息未上传微信", "wechat.uploads_unsent_minutes", FIVE_MINUTES, 30, 1),
    ("shipping-reminders", "微信催促发货", "wechat.shipping_reminders", AN_HOUR, 0.5, 1),
    ("payment-cases-open", "款项异常待处理", "payment_cases.open", FIVE_MINUTES, 0.5, 1),
    # WeChat Pay sends wrong signatures on purpose, to see that they are refused: a few say nothing.
    (
        "payment-notifications-refused",
        "微信支付通知验签失败",
        "wechat_pay.notifications_refused",
        FIVE_MINUTES,
        0.5,
        50,
    ),
    ("payment-states-unknown", "微信支付返回未知状态", "wechat_pay.states_unknown", FIVE_MINUTES, 0.5, 1),
    ("payment-certificates", "微信支付平台证书更新失败", "wechat_pay.certificates_failed", AN_HOUR, 0.5, 1),
    ("bills-missing", "微信支付账单缺失", "bills.missing", AN_HOUR, 0.5, 1),
    ("inbox-quarantined", "收到的消息被隔离", "inbox.quarantined", FIVE_MINUTES, 0.5, 1),
    ("refunds-stuck", "退款卡在支付机构", "refunds.stuck", FIVE_MINUTES, 0.5, 1),
]


def store(webhook_url: str) -> None:
    """The rules. Failing deliveries are told to a backend as well."""
    AlertRule.objects.create(
        code="deliveries-failing",
        name="消息推送失败",
        measure="deliveries.failing",
        window_seconds=30,
        threshold=0.5,
        minimum=2,
        emails=PEOPLE,
        webhook_url=webhook_url,
    )
    AlertRule.objects.bulk_create(_rule(*each) for each in WATCHED)


def _rule(code: str, name: str, measure: str, window: int, threshold: float, minimum: int) -> AlertRule:
    known = {"window_seconds": window, "threshold": threshold, "minimum": minimum, "emails": PEOPLE}
    return AlertRule(code=code, name=name, measure=measure, **known)

"""Settings, read from the environment (`config/env.py`). Production is the default and fails closed."""

from pathlib import Path
from urllib.parse import urlsplit

from celery.schedules import crontab
from csp.constants import NONE, SELF, UNSAFE_EVAL, UNSAFE_INLINE
from django.utils.translation import gettext_lazy as _

from config import embedded
from config.env import Env
from config.look import UNFOLD  # noqa: F401 - a setting

BASE_DIR = Path(__file__).resolve().parent.parent
env = Env(BASE_DIR / ".env")

# How it runs ----------------------------------------------------------------------------------------------------
PRODUCTION = env.text("HUB_MODE", "production", choices={"production", "development"}) == "production"
SANDBOX = env.flag("HUB_SANDBOX")
DEBUG = env.flag("DEBUG")
env.refuse(PRODUCTION and DEBUG, "DEBUG must be off in production")
env.refuse(PRODUCTION and SANDBOX, "HUB_SANDBOX must be off in production")
DATA_DIR = Path(env.text("HUB_DATA_DIR", str(BASE_DIR / ".data")))

HOST = env.text("HOST", "127.0.0.1")
PORT, LIVE_PORT, SANDBOX_PORT = (
    env.number("PORT", 8000),
    env.number("LIVE_PORT", 8001),
    env.number("SANDBOX_PORT", 8002),
)
PUBLIC_URL = env.text("PUBLIC_URL", None if PRODUCTION else f"http://127.0.0.1:{PORT}").rstrip("/")
LIVE_URL = env.text("LIVE_URL", "-").rstrip("/").removeprefix("-")  # empty: the request's host with LIVE_PORT
env.refuse(PRODUCTION and not PUBLIC_URL.startswith("https://"), "PUBLIC_URL must be https in production")
ALLOWED_HOSTS = env.items("ALLOWED_HOSTS") or [urlsplit(PUBLIC_URL).hostname or "127.0.0.1"]
if not PRODUCTION:
    ALLOWED_HOSTS += ["127.0.0.1", "localhost"]
    if SANDBOX:
        env.refuse(HOST not in {"127.0.0.1", "localhost", "::1"}, "HUB_SANDBOX binds to 127.0.0.1 only")

# Secrets --------------------------------------------------------------------------------------------------------
DEVELOPMENT = {
    "SECRET_KEY": "development-only-development-only-development-only-development",
    "HUB_FIELD_KEYS": "1:ZGV2ZWxvcG1lbnQtZmllbGQta2V5LTAwMDAwMDAwMDE=",
    "HUB_INDEX_KEYS": "1:ZGV2ZWxvcG1lbnQtaW5kZXgta2V5LTAwMDAwMDAwMDE=",
    "HUB_TOKEN_KEY": "ZGV2ZWxvcG1lbnQtdG9rZW4ta2V5LTAwMDAwMDAwMDE=",
}
_default = {} if PRODUCTION else DEVELOPMENT
SECRET_KEY = env.text("SECRET_KEY", _default.get("SECRET_KEY"))
FIELD_KEYS = env.keys("HUB_FIELD_KEYS", _default.get("HUB_FIELD_KEYS"))
INDEX_KEYS = env.keys("HUB_INDEX_KEYS", _default.get("HUB_INDEX_KEYS"))
env.refuse(
    len(INDEX_KEYS) > len({number % 2 for number in INDEX_KEYS}),
    "HUB_INDEX_KEYS holds two keys at most while one replaces the other, one of an odd number and one of an even one",
)
TOKEN_KEY = env.key("HUB_TOKEN_KEY", _default.get("HUB_TOKEN_KEY"))
for _name, _value in DEVELOPMENT.items():
    env.refuse(PRODUCTION and env.values.get(_name) == _value, f"{_name} is the development default")

# Stores ---------------------------------------------------------------------------------------------------------
REDIS_URL = env.text("REDIS_URL", None if PRODUCTION else embedded.redis_url(DATA_DIR))
DATABASES = {"default": env.database("DATABASE_URL", None if PRODUCTION else embedded.database_url(DATA_DIR))}
_pool = env.number("DATABASE_POOL", 8)
_timeouts = f"-c lock_timeout=4s -c statement_timeout={env.text('DATABASE_STATEMENT_TIMEOUT', '9s')}"
DATABASES["default"] |= {"CONN_MAX_AGE": 0, "DISABLE_SERVER_SIDE_CURSORS": False}
DATABASES["default"]["OPTIONS"] |= {"options": _timeouts, "connect_timeout": 5, "application_name": "hub"}
if _pool:
    DATABASES["default"]["OPTIONS"]["pool"] = {"min_size": 1, "max_size": _pool, "timeout": 5}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
CACHES = {"default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": REDIS_URL}}
CHANNEL_LAYERS = {
    "default": {
        "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
        "CONFIG": {"hosts": [{"address": REDIS_URL, "socket_timeout": None}]},  # redis-py 8 drops idle ones after 5 s
    }
}

# Apps -----------------------------------------------------------------------------------------------------------
INSTALLED_APPS = [
    "unfold.apps.BasicAppConfig",  # the site is ours (config.apps.AdminSite)
    "unfold.contrib.filters",
    "unfold.contrib.guardian",
    "config.apps.AdminSite",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "guardian",
    "pgtrigger",
    "pghistory",
    "channels",
    "csp",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "sync",
    "members",
    "loyalty",
    "orders",
    "config.apps.Config",
]
if SANDBOX:
    INSTALLED_APPS.append("config.sandbox")

MIDDLEWARE = [
    "sync.http.RequestIds",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "config.pages.Policy",
    "django.middleware.locale.LocaleMiddleware",
    "sync.http.Cors",
    "sync.http.Limits",
    "config.pages.Sessions",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "config.pages.Staff",
    "config.pages.Messages",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "config.audit.History",
]
ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
ASGI_APPLICATION = "config.asgi.application"
APPEND_SLASH = True
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
AUTHENTICATION_BACKENDS = ["django.contrib.auth.backends.ModelBackend", "guardian.backends.ObjectPermissionBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
GUARDIAN_AUTO_PREFETCH = True
ANONYMOUS_USER_NAME = None
LOGIN_URL = "/admin/login/"
LOGIN_REDIRECT_URL = "/admin/"

# Language, time, files ------------------------------------------------------------------------------------------
LANGUAGE_CODE = "zh-hans"
LANGUAGES = [("zh-hans", _("Simplified Chinese")), ("en", _("English"))]
LOCALE_PATHS = [BASE_DIR / "config" / "locale"]
USE_TZ = True
TIME_ZONE = "Asia/Shanghai"
STATIC_URL = "/static/"
STATIC_ROOT = DATA_DIR / "static" if PRODUCTION else None  # development serves them from where they lie
WHITENOISE_USE_FINDERS = not PRODUCTION
WHITENOISE_AUTOREFRESH = False
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"
        if PRODUCTION
        else "django.contrib.staticfiles.storage.StaticFilesStorage"
    },
}
MEDIA_ROOT = DATA_DIR / "media"
DATA_UPLOAD_MAX_MEMORY_SIZE = 1024 * 1024
FILES_UP_TO = {"/api/v1/me/avatar": 2 * 1024 * 1024}  # the paths of the contract that take a file

# The public contract --------------------------------------------------------------------------------------------
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [],
    "DEFAULT_PERMISSION_CLASSES": ["sync.auth.Nobody"],  # each view says who may call it
    "DEFAULT_RENDERER_CLASSES": ["sync.http.Json"],
    "DEFAULT_PARSER_CLASSES": ["sync.http.StrictJson"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "sync.http.AnyAccept",
    "DEFAULT_METADATA_CLASS": None,
    "URL_FORMAT_OVERRIDE": None,
    "DEFAULT_SCHEMA_CLASS": "config.openapi.Schema",
    "EXCEPTION_HANDLER": "sync.http.problem_for",
    "UNAUTHENTICATED_USER": None,
    "DATETIME_FORMAT": "%Y-%m-%dT%H:%M:%S.%fZ",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Member hub",
    "VERSION": "1",
    "OAS_VERSION": "3.1.1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "SERVE_AUTHENTICATION": [],
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "PREPROCESSING_HOOKS": ["config.openapi.of_the_contract"],
    "POSTPROCESSING_HOOKS": ["config.openapi.add_shared_parts"],
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
}

# How a lower floor reaches up (DESIGN 2) ------------------------------------------------------------------------
MEMBER_RECORDS = ["members.records.Members", "loyalty.records.Loyalty", "orders.records.Orders"]
DASHBOARD_PERMISSION = "config.view_dashboard"
RECONCILIATIONS = [
    "sync.reconcile.deliveries",
    "members.reconcile.phones",
    "members.reconcile.freezes",
    "members.reconcile.left_behind",
    "loyalty.reconcile.balances",
    "loyalty.reconcile.lots",
    "loyalty.reconcile.holds",
    "loyalty.reconcile.journal",
    "orders.reconcile.earnings",
    "orders.reconcile.reversals",
    "orders.reconcile.payments",
    "orders.reconcile.refunds",
    "orders.reconcile.lines",
    "orders.reconcile.goods",
    "orders.reconcile.redeemed",
    "orders.reconcile.uploads",
]
INBOX_HANDLERS = {
    "member.updated": "members.facts.updated",
    "order.placed": "orders.facts.placed",
    "order.updated": "orders.facts.updated",
    "order.paid": "orders.facts.paid",
    "order.cancelled": "orders.facts.cancelled",
    "order.shipped": "orders.facts.shipped",
    "order.delivered": "orders.facts.delivered",
    "order.completed": "orders.facts.completed",
    "order.refunded": "orders.facts.refunded",
    "points.earned": "loyalty.facts.earned",
    "points.spent": "loyalty.facts.spent",
    "points.reversed": "loyalty.facts.reversed_",
    "wechat.trade_manage_order_settlement": "orders.wechat_told.settlement",
    "wechat.trade_manage_remind_shipping": "orders.wechat_told.shipping_missing",
    "wechat.trade_manage_remind_access_api": "orders.wechat_told.access_missing",
    "wechat.subscribe_msg_change_event": "orders.wechat_told.messages_changed",
    "wechat.subscribe_msg_sent_event": "orders.wechat_told.message_sent",
    "wechat_pay.TRANSACTION.SUCCESS": "orders.facts.wechat_paid",
    "wechat_pay.REFUND.SUCCESS": "orders.payments.refunding.heard",
    "wechat_pay.REFUND.ABNORMAL": "orders.payments.refunding.heard",
    "wechat_pay.REFUND.CLOSED": "orders.payments.refunding.heard",
    "kuaidi100.push": "orders.shipping.pushes.apply",
}
BEARERS = {"hub_sk_": "sync.auth.by_key", "hub_at_": "members.auth.by_token"}
SESSION_CHECK, STAFF_CHECK = "members.sessions.revoked", "sync.staff.ended"  # sockets: whose sessions have ended

# Limits (seconds unless named) ----------------------------------------------------------------------------------
QUOTA_FACTOR = 100 if SANDBOX else 1
SANDBOX_FOLLOWED_WITHIN = 8.0  # so long a push of the sandbox's courier waits for the first who follows its parcel
EVENT_RETENTION_DAYS = 90
CONSENT_ASKED_AGAIN_AFTER_DAYS = [30, 90, 180, 360]  # since the first no, the second, …; the last goes on
ADDRESSES_PER_MEMBER = 20
ERASURE_COOLING_OFF_DAYS = env.number("ERASURE_COOLING_OFF_DAYS", 7)
EXPORTS_PER_DAY, EXPORT_HOURS, PRIVACY_DUE_DAYS = 3, 24, 15
LIVE_SOCKETS_PER_MEMBER, LIVE_SOCKETS_PER_ADDRESS = 20 * QUOTA_FACTOR, 500 * QUOTA_FACTOR
# Pauses after a failed delivery; after the last one it is dead. The sandbox is quick, so that a backend that is put to
# `fail` and back to `ok` has all its messages within the minute.
COURIER_SCHEDULE = [5, 300, 1_800, 7_200, 18_000, 36_000, 36_000] if not SANDBOX else [1, 2, 3, 5, *[10] * 60]

# Outside services -----------------------------------------------------------------------------------------------
_stand_ins = f"http://127.0.0.1:{SANDBOX_PORT}/stand-ins"
WECHAT_API_URL = env.text("WECHAT_API_URL", f"{_stand_ins}/wechat" if SANDBOX else "https://api.weixin.qq.com")
WECHAT_OPEN_URL = env.text("WECHAT_OPEN_URL", f"{_stand_ins}/wechat-open" if SANDBOX else "https://open.weixin.qq.com")
WECHAT_PAY_URL = env.text("WECHAT_PAY_URL", f"{_stand_ins}/wechat-pay" if SANDBOX else "https://api.mch.weixin.qq.com")
KUAIDI100_URL = env.text("KUAIDI100_URL", f"{_stand_ins}/kuaidi100" if SANDBOX else "https://poll.kuaidi100.com")
KUAIDI100_KEY = env.text("KUAIDI100_KEY", "sandbox" if SANDBOX else "")  # empty: parcels are not followed
KUAIDI100_CUSTOMER = env.text("KUAIDI100_CUSTOMER", "SANDBOX" if SANDBOX else "")
SMS_GATEWAYS = {  # where each is, and its usual region
    "alibaba": ("https://dysmsapi.aliyuncs.com", "cn-hangzhou"),
    "tencent": ("https://sms.tencentcloudapi.com", "ap-guangzhou"),
}
SMS_SENDER = env.text("SMS_SENDER", "sandbox" if SANDBOX else "console", choices={"console", "sandbox", *SMS_GATEWAYS})
SMS_SANDBOX_URL = env.text("SMS_SANDBOX_URL", f"{_stand_ins}/sms")
_sms_url, _sms_region = SMS_GATEWAYS.get(SMS_SENDER, ("", ""))
_needed = None if SMS_SENDER in SMS_GATEWAYS else ""
SMS_API_URL = env.text("SMS_API_URL", _sms_url).rstrip("/")
SMS_REGION = env.text("SMS_REGION", _sms_region)
SMS_KEY_ID, SMS_KEY_SECRET = env.text("SMS_KEY_ID", _needed), env.text("SMS_KEY_SECRET", _needed)
SMS_SIGN_NAME, SMS_TEMPLATE = env.text("SMS_SIGN_NAME", _needed), env.text("SMS_TEMPLATE", _needed)
SMS_PURPOSES = ("sign_in", "link", "step_up", "link_case")
SMS_TEMPLATES = {  # by what a code is for
    purpose: env.text(f"SMS_TEMPLATE_{purpose.upper()}", SMS_TEMPLATE) for purpose in SMS_PURPOSES
}
SMS_NOTICE_PARAMS = {  # news to members: what each occasion's template takes, in its order
    "order_shipped": "number,carrier,waybill",
    "order_delivered": "number",
    "order_refunded": "number,amount",
    "points_expiring": "points,at",
    "phone_changed": "at",
    "member_merged": "at",
}
SMS_NOTICES = {
    occasion: {
        "template": env.text(f"SMS_TEMPLATE_{occasion.upper()}", ""),
        "params": env.items(f"SMS_PARAMS_{occasion.upper()}", params),
    }
    for occasion, params in SMS_NOTICE_PARAMS.items()
}
# Occasions told by a text message where no message of WeChat's was accepted; for orders the channel's terms decide.
NOTICES_BY_SMS = env.items("NOTICES_BY_SMS")
env.refuse(not {*NOTICES_BY_SMS} <= {*SMS_NOTICES}, "NOTICES_BY_SMS names an occasion that there is not")
SMS_NOTICES_PER_DAY = env.number("SMS_NOTICES_PER_DAY", 5)  # to one member
SMS_TEMPLATE_PARAMS = env.items("SMS_TEMPLATE_PARAMS", "code")  # tencent's templates count their values
SMS_APP_ID = env.text("SMS_APP_ID", None if SMS_SENDER == "tencent" else "")
env.refuse(not {*SMS_TEMPLATE_PARAMS} <= {"code", "minutes"}, "SMS_TEMPLATE_PARAMS knows code and minutes")
env.refuse(PRODUCTION and SMS_API_URL and not SMS_API_URL.startswith("https://"), "SMS_API_URL must be https")
SMS_CAPTCHA = env.text("SMS_CAPTCHA", "")  # a dotted path to verify(token, address) -> bool; empty: none is asked for
METRICS_TOKEN = env.text("METRICS_TOKEN", "")  # what a Prometheus shows; empty: there is no /metrics
env.refuse(PRODUCTION and 0 < len(METRICS_TOKEN) < 32, "METRICS_TOKEN needs 32 characters")
INTERNAL_NETWORKS = env.items("HUB_INTERNAL_NETWORKS", "127.0.0.1/32" if SANDBOX else "")
EMAIL_BACKEND = f"django.core.mail.backends.{'filebased' if SANDBOX else 'smtp'}.EmailBackend"
EMAIL_FILE_PATH = str(DATA_DIR / "mail")  # the sandbox's letters
EMAIL_HOST, EMAIL_PORT = env.text("EMAIL_HOST", "localhost"), env.number("EMAIL_PORT", 25)
DEFAULT_FROM_EMAIL = env.text("EMAIL_FROM", "hub@localhost")

# Celery: schedules only; the truth is in PostgreSQL -------------------------------------------------------------
CELERY_BROKER_URL = REDIS_URL.replace("unix://", "redis+socket://").replace("?db=", "?virtual_host=")  # kombu's words
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_TRANSPORT_OPTIONS = {"visibility_timeout": 3600}
CELERY_TASK_IGNORE_RESULT = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_TIMEZONE = TIME_ZONE
CELERY_BEAT_SCHEDULE_FILENAME = str(DATA_DIR / "beat")
CELERY_BEAT_SCHEDULE = {  # a task that waited past its next turn is dropped
    "inbox": {"task": "sync.tasks.apply_inbox", "schedule": 3, "options": {"expires": 3}},
    "payments": {"task": "orders.tasks.ask_about_payments", "schedule": 5, "options": {"expires": 5}},
    "refunds": {"task": "orders.tasks.carry_out_refunds", "schedule": 5, "options": {"expires": 5}},
    "payment-cases": {"task": "orders.tasks.watch_payment_cases", "schedule": 60, "options": {"expires": 60}},
    "closing": {"task": "orders.tasks.close_unpaid", "schedule": 5, "options": {"expires": 5}},
    "shipping-files": {"task": "orders.tasks.run_shipping_files", "schedule": 3, "options": {"expires": 3}},
    "completing": {"task": "orders.tasks.complete_arrived", "schedule": 60, "options": {"expires": 60}},
    "certificates": {"task": "orders.tasks.refresh_certificates", "schedule": 6 * 3600, "options": {"expires": 3600}},
    "bills": {"task": "orders.tasks.fetch_bills", "schedule": 600, "options": {"expires": 600}},
    "parcels": {"task": "orders.tasks.follow_parcels", "schedule": 2, "options": {"expires": 2}},
    "silent-parcels": {"task": "orders.tasks.ask_about_parcels", "schedule": 60, "options": {"expires": 60}},
    "forwarding": {"task": "sync.tasks.forward_pushes", "schedule": 5, "options": {"expires": 5}},
    "retention": {"task": "sync.tasks.forget", "schedule": 3600, "options": {"expires": 3600}},
    "dashboard": {"task": "config.tasks.dashboard", "schedule": 2, "options": {"expires": 2}},
    "alerts": {"task": "sync.watch.alerts", "schedule": 10, "options": {"expires": 10}},
    "heartbeat": {"task": "sync.watch.heartbeat", "schedule": 10, "options": {"expires": 10}},
    "watch-retention": {"task": "sync.watch.forget", "schedule": 24 * 3600, "options": {"expires": 3600}},
    "reconciliations": {
        "task": "sync.watch.reconciliations",
        "schedule": 60 if SANDBOX else 300,
        "options": {"expires": 60},
    },
    "points": {"task": "loyalty.tasks.settle_points", "schedule": 10, "options": {"expires": 10}},
    "tiers": {"task": "loyalty.tasks.judge_tiers", "schedule": 3600, "options": {"expires": 3600}},
    "adjustments": {"task": "loyalty.tasks.run_adjustment_files", "schedule": 3, "options": {"expires": 3}},
    "bonuses": {"task": "loyalty.tasks.give_bonuses", "schedule": 3, "options": {"expires": 3}},
    "bonuses-again": {"task": "loyalty.tasks.give_bonuses_again", "schedule": 3600, "options": {"expires": 3600}},
    "birthdays": {"task": "loyalty.tasks.give_bonuses_again", "schedule": crontab(hour=0, minute=5)},
    "expiring": {"task": "loyalty.tasks.tell_of_expiry", "schedule": crontab(hour=9, minute=30)},
    "uploads": {"task": "orders.tasks.tell_shipping", "schedule": 5, "options": {"expires": 5}},
    "notices": {"task": "members.tasks.send_notices", "schedule": 5, "options": {"expires": 5}},
    "freezes": {"task": "members.tasks.lift_freezes", "schedule": 60, "options": {"expires": 60}},
    "forgetting": {"task": "members.tasks.forget_expired", "schedule": 600, "options": {"expires": 600}},
    "exports": {"task": "members.tasks.make_exports", "schedule": 3, "options": {"expires": 3}},
    "erasures": {"task": "members.tasks.erase_due", "schedule": 60, "options": {"expires": 60}},
}

# Browser safety -------------------------------------------------------------------------------------------------
_live_origin = [LIVE_URL] if LIVE_URL else [f"ws://127.0.0.1:{LIVE_PORT}", f"ws://localhost:{LIVE_PORT}"]
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "connect-src": [SELF, *_live_origin],
        "img-src": [SELF, "data:"],
        "object-src": [NONE],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
        "form-action": [SELF],
    }
}
ADMIN_CSP = {"script-src": [SELF, UNSAFE_EVAL], "style-src": [SELF, UNSAFE_INLINE]}  # unfold's Alpine needs eval
SESSION_COOKIE_HTTPONLY = CSRF_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_AGE = 12 * 3600
X_FRAME_OPTIONS = "DENY"
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CONTENT_TYPE_NOSNIFF = True
if PRODUCTION:
    SESSION_COOKIE_NAME, CSRF_COOKIE_NAME = "__Host-session", "__Host-csrf"
    SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_SSL_REDIRECT = True
    SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$", r"^metrics$"]
    SECURE_HSTS_SECONDS, SECURE_HSTS_INCLUDE_SUBDOMAINS, SECURE_HSTS_PRELOAD = 31_536_000, True, True
    if env.flag("HUB_BEHIND_PROXY", True):
        SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
CSRF_TRUSTED_ORIGINS = [PUBLIC_URL] if PUBLIC_URL.startswith("http") else []

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"()": "sync.logs.Line"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": env.text("LOG_LEVEL", "INFO")},
    "loggers": {
        "httpx": {"level": "WARNING"},  # it logs whole URLs, WeChat's secret= among them
        "httpcore": {"level": "WARNING"},
        "django.server": {"level": "WARNING"},
    },
}
env.finish()

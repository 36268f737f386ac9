"""Where each path leads."""

from django.conf import settings
from django.contrib import admin
from django.urls import include, path

from config import contract
from members.api import avatars, privacy
from sync import health, metrics, problems

handler400, handler403, handler404, handler500 = (
    problems.bad_request,
    problems.forbidden,
    problems.not_found,
    problems.internal,
)

under_v1 = [  # they are tried in turn: first what is read most
    path("", include("orders.urls")),
    path("", include("members.urls")),
    path("", include("loyalty.urls")),
    path("", include("sync.urls")),
    path("schema", contract.Document.as_view(), name="schema"),
    path("docs", contract.Docs.as_view(), name="docs"),
]

urlpatterns = [
    path("api/v1/", include(under_v1)),
    path("callbacks/", include("orders.callbacks")),
    path("admin/", admin.site.urls),
    path("dashboard/", include("config.dashboard")),
    path("exports/<uuid:export_id>", privacy.download, name="export"),
    path("avatars/<uuid:avatar_id>.jpg", avatars.picture, name="avatar"),
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
    path("metrics", metrics.metrics, name="metrics"),
    path("i18n/", include("django.conf.urls.i18n")),
]
if settings.SANDBOX:
    urlpatterns.append(path("sandbox/", include("config.sandbox.urls")))

"""Where each path leads."""

from django.conf import settings
from django.contrib import admin
from django.urls import include, path

from sync import problems

handler400, handler403, handler404, handler500 = (
    problems.bad_request,
    problems.forbidden,
    problems.not_found,
    problems.internal,
)

urlpatterns = [path("admin/", admin.site.urls)]

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class Members(AppConfig):
    name = "members"
    verbose_name = _("Members")

    def ready(self):
        from members import checks  # noqa: F401, PLC0415 - registers itself; models are loaded only now

"""A secret that was just made: shown in the answer to the request that made it, and nowhere else.

It is in no address, no session, no message and no log; the answer is not stored by the browser, and the same request
again makes nothing.
"""

from django.template.response import TemplateResponse
from django.utils.translation import gettext as _


def shown_once(page, request, secret: str, **context) -> TemplateResponse:
    """The page with the secret: `title`, `back` and `back_title` say where it belongs, `told` what it is good for."""
    known = page.admin_site.each_context(request) | {"subtitle": None, "opts": page.opts, "secret": secret}
    answer = TemplateResponse(request, "admin/sync/once.html", known | context)
    answer["Cache-Control"] = "no-store"
    answer["Referrer-Policy"] = "no-referrer"
    return answer


def asked(page, request, form, **context) -> TemplateResponse:
    """A page that asks: `title`, `back`, `back_title`, `told` (sentences before the form), `button`."""
    known = page.admin_site.each_context(request) | {"subtitle": None, "opts": page.opts, "form": form}
    return TemplateResponse(request, "admin/sync/ask.html", known | {"button": _("Save")} | context)

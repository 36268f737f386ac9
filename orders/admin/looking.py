"""What is shown in clear, to whom it is granted, for a reason, and written down: recipients, providers' own words."""

import json
from uuid import UUID

from django import forms
from django.core.exceptions import PermissionDenied
from django.http import Http404
from django.template.response import TemplateResponse
from django.utils.translation import gettext_lazy as _

from orders import services
from orders.admin.timeline import traffic
from orders.admin.timeline.entry import Story
from orders.models import Disclosure, Order
from orders.services.handling import LONGEST_REASON
from sync import quotas
from sync.act import Actor
from sync.http import Problem
from sync.http.problems import CODES

REVEAL, READ = "orders.reveal_recipient", traffic.READ
A_DAY = {"limit": 300, "every": 24 * 3600}  # looks of one person


class WhyForm(forms.Form):
    """Why somebody has to see it."""

    reason = forms.CharField(max_length=LONGEST_REASON, label=_("Reason"))


def recipient(page, request, key: UUID):
    """Where an order goes, in clear."""
    order = _order(page, request, key, REVEAL)

    def show(reason: str) -> list[tuple]:
        told = services.disclose(order=order, by=_by(request), reason=reason)
        return [(LABELS[name], value) for name, value in told.items() if value]

    return _view(page, request, order, show, _("Show recipient"))


def message(page, request, key: UUID, message: UUID):
    """What a provider or a channel sent about an order, as it came."""
    order = _order(page, request, key, READ)
    found = traffic.sent(Story(request, order)).filter(pk=message).first()
    if found is None:
        raise Http404

    def show(reason: str) -> list[tuple]:
        services.disclose(order=order, by=_by(request), reason=reason, what=Disclosure.What.MESSAGE)
        return [(found.type, _laid_out(found.body))]

    return _view(page, request, order, show, _("Read what was sent"))


def _view(page, request, order: Order, show, title):
    form, seen = WhyForm(request.POST or None), None
    if request.method == "POST" and form.is_valid():
        try:
            quotas.count(f"looks/{request.user.pk}", **A_DAY)
            seen = show(form.cleaned_data["reason"])
        except Problem:
            form.add_error(None, CODES["rate_limited"][1])
    known = {"title": title, "subtitle": None, "opts": page.opts, "order": order, "form": form, "seen": seen}
    response = TemplateResponse(request, "admin/orders/look.html", page.admin_site.each_context(request) | known)
    response["Cache-Control"] = "no-store"
    return response


def _order(page, request, key: UUID, permission: str) -> Order:
    if not request.user.has_perm(permission):
        raise PermissionDenied
    order = page.get_queryset(request).select_related("channel").filter(pk=key).first()
    if order is None:
        raise Http404
    return order


def _by(request) -> Actor:
    return Actor("staff", str(request.user.pk))


def _laid_out(body: str | None) -> str:
    """JSON indented; anything else as it came; what is forgotten, said so."""
    if not body:
        return str(_("What was sent is not kept any more"))
    try:
        return json.dumps(json.loads(body), ensure_ascii=False, indent=2)
    except ValueError:
        return body


LABELS = {
    "receiver": _("Receiver"),
    "phone": _("Phone"),
    "province": _("Province"),
    "city": _("City"),
    "district": _("District"),
    "street": _("Street and number"),
    "postcode": _("Postcode"),
}

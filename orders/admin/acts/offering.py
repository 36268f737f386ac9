"""The pages on which manual work is done: asked for, shown with its effect, done once, and back to the order."""

from functools import partial
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Model
from django.http import Http404, JsonResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.translation import gettext as _

from members.models import Member
from orders.admin.acts import effects, forms
from orders.admin.acts.refusing import REFUSALS, told
from orders.admin.acts.works import BY_NAME, WORK, Work
from orders.admin.columns import provider
from orders.admin.masking import masked
from orders.models import Carrier, Intervention, Order, PaymentCase, Refund, ShippingUpload
from orders.services.handling import Hand
from sync.act import Actor
from sync.admin.shown import yuan
from sync.ids import uuid7

RECENT = 8  # reasons that are offered again


def ways_of(request, order: Order | None, **of: Model) -> list[dict]:
    """Buttons for what the reader may do now: with an order, or with one of its parcels, refunds, cases, uploads."""
    target = next(iter(of.values()), None)
    return [
        {"title": each.title, "url": url(each.name, order, target), "is_bad": each.is_bad, "is_next": each.is_next}
        for each in WORK
        if each.of is (type(target) if target else None)
        and request.user.has_perm(each.permission)
        and each.fits(order, target)
    ]


def url(name: str, order: Order | None, target: Model | None = None) -> str:
    """The page of a piece of work."""
    if order is None:
        return reverse("admin:orders_paymentcase_do", args=[target.pk, name])
    found = reverse("admin:orders_order_do", args=[order.pk, name])
    return f"{found}?{urlencode({'of': target.pk})}" if target else found


def order_urls(page) -> list:
    """Paths on the order's page."""
    wrap = page.admin_site.admin_view
    return [path("<uuid:key>/do/<slug:name>/", wrap(partial(_on_order, page)), name="orders_order_do")]


def case_urls(page) -> list:
    """Paths on the page of money without an order."""
    wrap = page.admin_site.admin_view
    return [path("<uuid:key>/do/<slug:name>/", wrap(partial(_on_case, page)), name="orders_paymentcase_do")]


def _on_order(page, request, key: UUID, name: str):
    work = _allowed(request, name)
    order = page.get_queryset(request).select_related("channel", "member").filter(pk=key).first()
    if order is None:
        raise Http404
    return _view(page, request, work, order, _target(work, order, request.GET.get("of", "")))


def _on_case(page, request, key: UUID, name: str):
    work = _allowed(request, name)
    case = page.get_queryset(request).select_related("order").filter(pk=key).first()
    if case is None or case.order or work.of is not PaymentCase:
        raise Http404
    return _view(page, request, work, None, case)


def _allowed(request, name: str) -> Work:
    if name not in BY_NAME:
        raise Http404
    if not request.user.has_perm(BY_NAME[name].permission):
        raise PermissionDenied
    return BY_NAME[name]


def _target(work: Work, order: Order, key: str) -> Model | None:
    """What of the order it is about. Raises Http404 for what is not the order's."""
    if work.of is None:
        return None
    path = "payment__order" if work.of is ShippingUpload else "order"
    try:
        found = work.of.objects.filter(pk=UUID(key), **{path: order}).first()
    except ValueError as error:
        raise Http404 from error
    if found is None:
        raise Http404
    return found


def _view(page, request, work: Work, order: Order | None, target: Model | None):
    known = {"order": order, "of": target}
    if request.method != "POST":
        if not work.fits(order, target):
            messages.warning(request, _("This is not possible any more: look at it anew"))
            return redirect(_back(order, target))
        initial = {"id": uuid7(), "seen": order.version if order else 0, "all": "all" in request.GET}
        return _shown(page, request, work, work.form(initial=initial, **known), target)
    form = work.form(request.POST, **known)
    if "fill" in request.POST:
        return JsonResponse(form.filled())
    foreseen = _foreseen(request, work, form)
    if foreseen is None or "sure" not in request.POST:
        return _shown(page, request, work, form, target, foreseen)
    return _do(page, request, work, form, target)


def _foreseen(request, work: Work, form: forms.WorkForm) -> list[str] | None:
    """What it would do; None when the form or the order does not allow it."""
    if not form.is_valid():
        return None
    done = Intervention.objects.filter(pk=form.cleaned_data["id"]).exists()
    try:
        if done:
            return [_("This was done before: nothing happens again.")]
        if form.order and form.order.version != form.cleaned_data["seen"]:
            raise effects.Refused(_("This order has changed meanwhile: nothing was done. Look at it anew."))
        if not work.fits(form.order, form.of):
            raise effects.Refused(_("This is not possible any more: look at it anew"))
        _find_member(request, form)
        return work.effects(form)
    except (effects.Refused, *REFUSALS) as error:
        form.add_error(None, told(error))
        return None


def _find_member(request, form: forms.WorkForm) -> None:
    """Put the member that was typed into the form: one that the reader sees, found as lists find them."""
    if not isinstance(form, forms.ReassignForm):
        return
    members = admin.site._registry[Member]
    if not members.has_view_permission(request):
        raise effects.Refused(_("Nobody, or more than one, found among the members you see"))
    rows, _distinct = members.get_search_results(request, members.get_queryset(request), form.cleaned_data["member"])
    found = list(rows[:2])
    if len(found) != 1:
        raise effects.Refused(_("Nobody, or more than one, found among the members you see"))
    form.cleaned_data["member"] = found[0]


def _do(page, request, work: Work, form: forms.WorkForm, target: Model | None):
    given = form.cleaned_data
    hand = Hand(given["id"], Actor("staff", str(request.user.pk)), given["reason"], form.order and given["seen"])
    try:
        work.run(form, hand, request)
    except REFUSALS as error:
        form.add_error(None, told(error))
        return _shown(page, request, work, form, target)
    messages.success(request, str(work.done))
    return redirect(_back(form.order, target))


def _back(order: Order | None, target: Model | None) -> str:
    if order:
        return reverse("admin:orders_order_change", args=[order.pk])
    return reverse("admin:orders_paymentcase_change", args=[target.pk])


def _shown(page, request, work: Work, form: forms.WorkForm, target: Model | None, foreseen: list[str] | None = None):
    recent = Intervention.objects.filter(by=f"staff/{request.user.pk}").order_by("-id").values_list("reason", flat=True)
    needs_nothing = work.form is forms.WorkForm and not form.is_bound
    context = page.admin_site.each_context(request) | {
        "title": work.title,
        "subtitle": None,
        "opts": page.opts,
        "work": work,
        "form": form,
        "order": form.order,
        "of": target,
        "about": _about(target),
        "foreseen": _at_once(work, form) if needs_nothing else foreseen,
        "is_sure": foreseen is not None or needs_nothing,
        "all_left": yuan(form.rest.amount_fen) if form.offers_all else "",
        "reasons": list(dict.fromkeys(recent[:40]))[:RECENT],
        "carriers": Carrier.objects.filter(is_active=True) if "carrier" in form.fields else (),
        "back": _back(form.order, target),
    }
    return TemplateResponse(request, "admin/orders/do.html", context)


def _at_once(work: Work, form: forms.WorkForm) -> list[str]:
    """The effect of what asks for nothing but a reason is shown before anything is typed."""
    return work.effects(form) if work.fits(form.order, form.of) else []


def _about(target: Model | None) -> list[str]:
    """What is decided on: the money in a line, and what is known about it."""
    match target:
        case PaymentCase():
            told = (target.get_kind_display(), yuan(target.amount_fen), provider(target.provider))
            money = " · ".join(str(each) for each in (*told, target.transaction_id) if each)
            costs = target.order and _("The order costs %(sum)s.") % {"sum": yuan(target.order.total_fen)}
            return [money, costs] if costs else [money]
        case Refund():
            why = target.reason and _("Asked for because: %(reason)s") % {"reason": masked(target.reason)}
            return [each for each in (f"{target.number} · {yuan(target.amount_fen)}", why) if each]
    return []

"""Entering an order by hand: whose, of which channel, what, for how much, where to; by the rules of POST orders."""

from decimal import Decimal, InvalidOperation

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from members.admin import finding
from members.models import Member
from orders.admin.acts.forms import AddressForm
from orders.admin.acts.refusing import REFUSALS, told
from orders.api.shapes import MAX_ITEMS
from orders.models import Intervention
from orders.rules import MAX_TOTAL_FEN
from orders.services import handling
from orders.services.handling import Hand
from sync.act import Actor
from sync.admin import scope
from sync.admin.shown import yuan
from sync.admin.yuan import YuanField
from sync.ids import uuid7
from sync.models import Channel

ENTER = "orders.enter_order"
FEW, ROWS = 8, 5
NAMES = ("sku", "name", "quantity", "price")


class Chosen(forms.ModelChoiceField):
    """A channel as people call it."""

    def label_from_instance(self, obj):
        return obj.name


class EnterForm(AddressForm):
    """An order as somebody at a telephone takes it. Articles come as rows beside these fields."""

    channel = Chosen(Channel.objects.none(), label=gettext_lazy("Channel"))
    external_id = forms.CharField(max_length=64, required=False, label=gettext_lazy("Channel's number"))
    shipping = YuanField(required=False, initial=0, label=gettext_lazy("Shipping (yuan)"))
    discount = YuanField(required=False, initial=0, label=gettext_lazy("Discount (yuan)"))

    def __init__(self, *args, channels, **kwargs):
        super().__init__(*args, order=None, **kwargs)
        self.fields["channel"].queryset = channels
        self.fields["external_id"].help_text = _("Empty: the hub gives one")
        for name in ("receiver", "phone", "street"):
            self.fields[name].required = False
        del self.fields["seen"]

    def parts(self):
        yield [self["channel"], self["external_id"]]
        yield [self["shipping"], self["discount"]]
        yield from super().parts()

    def clean_phone(self):
        return super().clean_phone() if self.cleaned_data["phone"] else ""

    def clean(self):
        given = super().clean()
        filled = [name for name in ("receiver", "phone", "street") if given.get(name)]
        if filled and len(filled) < 3 and not self.errors:
            raise forms.ValidationError(_("An address needs receiver, phone and street"))
        return given

    def goes_to(self) -> dict | None:
        """Where it goes; None where nothing is to be sent."""
        return self.address() if self.cleaned_data["receiver"] else None


def view(page, request):
    """Find the member, say what they buy, see what it adds up to, enter it."""
    if not request.user.has_perm(ENTER):
        raise PermissionDenied
    member = _member(request)
    channels = Channel.objects.filter(pk__in=[each.pk for each in scope.sight(request).channels], is_active=True)
    if request.method != "POST":
        found = _found(request)
        if len(found) == 1 and member is None:
            return redirect(f"{request.path}?member={found[0].pk}")
        home = member.home_channel_id if member else None
        form = EnterForm(initial={"id": uuid7(), "channel": home, "shipping": 0, "discount": 0}, channels=channels)
        return _shown(page, request, form, member, [], found=found)
    form, rows = EnterForm(request.POST, channels=channels), _rows(request.POST)
    items, problem = _items(rows)
    if problem:
        form.add_error(None, problem)
    foreseen = _foreseen(form, member, items) if form.is_valid() and items else None
    if foreseen is None or "sure" not in request.POST:
        return _shown(page, request, form, member, rows, foreseen=foreseen)
    return _enter(page, request, form, member, rows, items)


def _enter(page, request, form: EnterForm, member: Member | None, rows: list[dict], items: list[dict]):
    given = form.cleaned_data
    hand = Hand(given["id"], Actor("staff", str(request.user.pk), given["channel"].code), given["reason"])
    off = given["discount"] or 0
    asked = {
        "channel": given["channel"],
        "external_id": given["external_id"],
        "items": items,
        "member": member and member.pk,
        "shipping_fen": given["shipping"] or 0,
        "discounts": [{"kind": "staff", "code": "", "name": str(_("By staff")), "amount_fen": off}] if off else [],
        "address": form.goes_to(),
    }
    try:
        order, is_new = handling.enter(hand=hand, **asked)
    except REFUSALS as error:
        form.add_error(None, told(error))
        return _shown(page, request, form, member, rows)
    said = _("The order %(number)s is entered") if is_new else _("The order %(number)s was entered before")
    messages.success(request, said % {"number": order.number})
    return redirect("admin:orders_order_change", order.pk)


def _foreseen(form: EnterForm, member: Member | None, items: list[dict]) -> list[str] | None:
    given = form.cleaned_data
    sum_fen = sum(each["quantity"] * each["unit_price_fen"] for each in items)
    total = sum_fen + (given["shipping"] or 0) - (given["discount"] or 0)
    if not 0 <= total <= MAX_TOTAL_FEN:
        form.add_error(None, _("The amounts do not add up"))
        return None
    told_of = {"channel": given["channel"].name, "sum": yuan(total), "who": member.number if member else _("a guest")}
    said = [_("An order of %(who)s on %(channel)s over %(sum)s, waiting for payment.") % told_of]
    if not total:
        said = [_("An order of %(who)s on %(channel)s, nothing to pay: it counts as paid at once.") % told_of]
    if member:
        said.append(_("The member sees it on every channel at once and can pay it there."))
    return [*said, _("It closes by itself when it is not paid in time.")] if total else said


def _rows(posted) -> list[dict]:
    """The articles as they were typed; empty rows are left out."""
    columns = [posted.getlist(f"item-{name}")[:MAX_ITEMS] for name in NAMES]
    rows = [dict(zip(NAMES, (cell.strip() for cell in row), strict=True)) for row in zip(*columns, strict=False)]
    return [row for row in rows if row["sku"] or row["name"] or row["price"]]


def _items(rows: list[dict]) -> tuple[list[dict], str]:
    """The articles as acts take them, and what is wrong with the first that is."""
    found = []
    for place, row in enumerate(rows, start=1):
        quantity = int(row["quantity"]) if row["quantity"].isascii() and row["quantity"].isdigit() else 0
        fen = _fen(row["price"])
        if not (row["sku"] and row["name"] and 0 < quantity <= 1_000_000 and fen is not None):
            return [], _("Article %(place)s needs a SKU, a name, a quantity and a price") % {"place": place}
        article = {"sku": row["sku"][:64], "name": row["name"][:200], "external_line_id": "", "image_url": ""}
        found.append(article | {"quantity": quantity, "unit_price_fen": fen})
    return found, "" if found else _("Say what is bought")


def _fen(text: str) -> int | None:
    try:
        yuan_typed = Decimal(text.replace(",", "").removeprefix("¥"))
    except InvalidOperation:
        return None
    fen = yuan_typed * 100 if yuan_typed.is_finite() else Decimal(-1)
    return int(fen) if 0 <= fen <= MAX_TOTAL_FEN and fen == int(fen) else None


def _member(request) -> Member | None:
    """The member it is for, when one was chosen that the reader sees."""
    key = request.POST.get("member") or request.GET.get("member")
    return finding.chosen(request, key) if key else None


def _found(request) -> list[Member]:
    return finding.matching(request, request.GET["q"], FEW) if request.GET.get("q") else []


def _shown(page, request, form: EnterForm, member, rows: list[dict], found=(), foreseen=None):
    recent = Intervention.objects.filter(by=f"staff/{request.user.pk}", kind="entered").order_by("-id")
    context = page.admin_site.each_context(request) | {
        "title": _("Enter an order"),
        "subtitle": None,
        "opts": page.opts,
        "form": form,
        "member": member,
        "found": found,
        "looked_for": request.GET.get("q", ""),
        "rows": rows + [dict.fromkeys(NAMES, "")] * max(1, ROWS - len(rows)),
        "foreseen": foreseen,
        "reasons": list(dict.fromkeys(recent.values_list("reason", flat=True)[:40]))[:FEW],
    }
    return TemplateResponse(request, "admin/orders/enter.html", context)

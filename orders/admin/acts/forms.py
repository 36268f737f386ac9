"""What manual work asks for. Every form carries its own id, the version of the order that was seen, and the reason."""

from collections.abc import Iterator
from datetime import timedelta

from django import forms
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from orders.models import Order
from orders.services import casing
from orders.services.handling import LONGEST_REASON
from sync.admin.shown import yuan
from sync.admin.yuan import YuanField
from sync.secret import InvalidPhone
from sync.secret import phone as e164

LOCAL = "%Y-%m-%dT%H:%M"


class WorkForm(forms.Form):
    """One piece of manual work on an order; `of` is the parcel, refund or case it is about."""

    offers_all = False  # whether all that is left may be asked for at once

    id = forms.UUIDField(widget=forms.HiddenInput)
    seen = forms.IntegerField(widget=forms.HiddenInput, min_value=0)
    reason = forms.CharField(
        max_length=LONGEST_REASON,
        label=gettext_lazy("Reason"),
        help_text=gettext_lazy("For colleagues; no names and no phone numbers"),
    )

    def __init__(self, *args, order: Order | None, of=None, **kwargs):
        super().__init__(*args, **kwargs)
        self.order, self.of = order, of
        self.prepare()
        self.order_fields([*(name for name in self.fields if name != "reason"), "reason"])
        for name, field in self.fields.items():
            field.widget.attrs |= {"class": "hub-input", "autocomplete": "off"}
            if name == "reason":
                field.widget.attrs["list"] = "reasons"

    def prepare(self) -> None:
        """Add fields that depend on the order."""

    def filled(self) -> dict[str, str]:
        """What fields left empty come to, by their names, as it is shown."""
        return {}

    def parts(self) -> Iterator[list]:
        """The fields that are seen, in rows."""
        yield from ([field] for field in self.visible_fields() if not field.name.startswith("line-"))

    def lines(self) -> list[dict]:
        """The rows of the order's articles: what they are, and their fields."""
        return []


class ByLine(WorkForm):
    """A form with a quantity, and maybe an amount, for each article."""

    has_amounts = False

    def shown_lines(self) -> list[tuple]:
        """(line, quantity offered, most, fen offered) of each article."""
        return []

    def prepare(self) -> None:
        self.by_line = self.shown_lines()
        for line, quantity, most, fen in self.by_line:
            name = f"line-{line.pk}"
            self.fields[name] = forms.IntegerField(min_value=0, max_value=most, initial=quantity, required=False)
            self.fields[name].label = _("Quantity of %(name)s") % {"name": line.name}
            self.fields[name].widget.attrs |= {"aria-label": self.fields[name].label}
            if self.has_amounts:
                self.fields[f"{name}-fen"] = YuanField(initial=fen, required=False)
                self.fields[f"{name}-fen"].label = _("Amount for %(name)s") % {"name": line.name}
                self.fields[f"{name}-fen"].widget.attrs |= {"aria-label": self.fields[f"{name}-fen"].label}

    def lines(self) -> list[dict]:
        return [
            {
                "name": line.name,
                "sku": line.sku,
                "price": yuan(line.unit_price_fen),
                "most": most,
                "quantity": self[f"line-{line.pk}"],
                "amount": self[f"line-{line.pk}-fen"] if self.has_amounts else None,
            }
            for line, _quantity, most, _fen in self.by_line
        ]

    def chosen(self) -> list[dict]:
        """What was chosen: {line_id, quantity} and amount_fen, without the articles of which nothing was."""
        found = []
        for line, *_rest in self.by_line:
            given = {"line_id": line.pk, "quantity": self.cleaned_data.get(f"line-{line.pk}") or 0}
            if self.has_amounts:
                given["amount_fen"] = self.cleaned_data.get(f"line-{line.pk}-fen") or 0
            if given["quantity"] or given.get("amount_fen"):
                found.append(given)
        return found


class ShipForm(ByLine):
    """Who carries it, under which number, what is in it."""

    carrier = forms.CharField(max_length=40, label=gettext_lazy("Carrier"))
    tracking_number = forms.CharField(max_length=64, required=False, label=gettext_lazy("Waybill"))

    def prepare(self) -> None:
        super().prepare()
        self.fields["carrier"].widget.attrs |= {"list": "carriers", "autofocus": True}

    def shown_lines(self) -> list[tuple]:
        lines = [
            (line, line.quantity - line.shipped_quantity - line.refunded_quantity) for line in self.order.lines.all()
        ]
        return [(line, left, left, 0) for line, left in lines if left > 0]

    def clean(self):
        given = super().clean()
        if not self.errors and not self.chosen():
            raise forms.ValidationError(_("Nothing is in this parcel: say how many of what"))
        return given

    def items(self) -> list[dict] | None:
        """What goes into the parcel; None for all that is left."""
        left = {line.pk: quantity for line, quantity, *_rest in self.by_line}
        chosen = self.chosen()
        return None if {each["line_id"]: each["quantity"] for each in chosen} == left else chosen


class WaybillForm(WorkForm):
    """The right carrier and number of a parcel."""

    carrier = forms.CharField(max_length=40, label=gettext_lazy("Carrier"))
    tracking_number = forms.CharField(max_length=64, required=False, label=gettext_lazy("Waybill"))

    def prepare(self) -> None:
        self.fields["carrier"].initial, self.fields["tracking_number"].initial = (
            self.of.carrier,
            self.of.tracking_number,
        )
        self.fields["carrier"].widget.attrs |= {"list": "carriers"}

    def clean(self):
        given = super().clean()
        if not self.errors and not self.changes():
            raise forms.ValidationError(_("Nothing is different from what is known"))
        return given

    def changes(self) -> dict:
        """What is different."""
        names = ("carrier", "tracking_number")
        return {name: self.cleaned_data[name] for name in names if self.cleaned_data[name] != getattr(self.of, name)}


class AddressForm(WorkForm):
    """Where an order goes, in full: what it was is not shown."""

    receiver = forms.CharField(max_length=40, label=gettext_lazy("Receiver"))
    phone = forms.CharField(max_length=30, label=gettext_lazy("Phone"))
    province = forms.CharField(max_length=40, required=False, label=gettext_lazy("Province"))
    city = forms.CharField(max_length=40, required=False, label=gettext_lazy("City"))
    district = forms.CharField(max_length=40, required=False, label=gettext_lazy("District"))
    street = forms.CharField(max_length=200, label=gettext_lazy("Street and number"))
    postcode = forms.CharField(max_length=12, required=False, label=gettext_lazy("Postcode"))
    NAMES = ("receiver", "phone", "province", "city", "district", "street", "postcode")

    def parts(self):
        yield [self["receiver"], self["phone"]]
        yield [self["province"], self["city"], self["district"], self["postcode"]]
        yield [self["street"]]
        yield [self["reason"]]

    def clean_phone(self):
        try:
            return e164(self.cleaned_data["phone"])
        except InvalidPhone as error:
            raise forms.ValidationError(_("Not a phone number")) from error

    def address(self) -> dict:
        return {name: self.cleaned_data[name] for name in self.NAMES}


class PaidForm(WorkForm):
    """Money that was taken outside: under which number, when."""

    transaction_id = forms.CharField(max_length=64, label=gettext_lazy("Receipt or transfer number"))
    paid_at = forms.DateTimeField(
        input_formats=[LOCAL, "%Y-%m-%d %H:%M"],
        label=gettext_lazy("Paid at"),
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format=LOCAL),
    )

    def parts(self):
        yield [self["transaction_id"], self["paid_at"]]
        yield [self["reason"]]

    def prepare(self) -> None:
        self.fields["paid_at"].initial = timezone.localtime().strftime(LOCAL)

    def clean_paid_at(self):
        if self.cleaned_data["paid_at"] > timezone.now() + timedelta(minutes=5):
            raise forms.ValidationError(_("This time lies in the future"))
        return self.cleaned_data["paid_at"]


class ReassignForm(WorkForm):
    """The member whose order it is."""

    member = forms.CharField(max_length=40, label=gettext_lazy("Phone or member number of the right member"))


class CaseForm(WorkForm):
    """What becomes of money that does not fit: what can be done with it, and why not the rest."""

    action = forms.ChoiceField(label=gettext_lazy("What to do"))

    def prepare(self) -> None:
        refused = {each: casing.refusal(self.of, self.order, each) for each in self.of.Action}
        self.fields["action"].choices = [(each.value, each.label) for each, why in refused.items() if not why]
        self.fields["action"].initial = self.of.proposed
        self.refusals = [(each.label, why) for each, why in refused.items() if why]

"""Forms of money that goes back: what was paid for the chosen goods unless somebody says otherwise."""

from functools import cached_property

from django import forms
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from orders.admin.acts.forms import LOCAL, ByLine
from orders.services import room
from orders.services.refunding import is_refundable
from sync.admin.yuan import YuanField, typed

ALL = "all"  # asks for everything that is left


class RefundForm(ByLine):
    """What goes back, article by article, and the shipping. Amounts left empty are what was paid for these pieces."""

    has_amounts, offers_all = True, True
    shipping = YuanField(required=False, label=gettext_lazy("Of the shipping"))
    transaction_id = forms.CharField(max_length=64, required=False, label=gettext_lazy("Paid back under number"))
    refunded_at = forms.DateTimeField(
        required=False,
        input_formats=[LOCAL, "%Y-%m-%d %H:%M"],
        label=gettext_lazy("Paid back at"),
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format=LOCAL),
    )

    def parts(self):
        yield [self["shipping"]]
        if not self.is_by_hub:
            yield [self["transaction_id"], self["refunded_at"]]
        yield [self["reason"]]

    def prepare(self) -> None:
        super().prepare()
        if self.is_by_hub:
            del self.fields["transaction_id"], self.fields["refunded_at"]
        else:
            self.fields["transaction_id"].required = self.fields["refunded_at"].required = True
            self.fields["refunded_at"].initial = timezone.localtime().strftime(LOCAL)
        if not self.is_bound and self.initial.get(ALL):
            self.initial |= self.filled()
        elif self.is_bound:
            self.data = self.data.copy()
            for name, value in self.filled().items():
                self.data[name] = self.data.get(name) or value

    @cached_property
    def paid(self):
        """What paid for the order; None where there was nothing to pay."""
        return self.order.payments.select_related("merchant").filter(state="paid").first()

    @property
    def is_by_hub(self) -> bool:
        """Whether the hub gives this money back itself."""
        return is_refundable(self.paid)

    @cached_property
    def beside(self) -> list[room.Wanted]:
        """What it must leave room for."""
        return room.firm(self.order, is_executed=not self.is_by_hub)

    @cached_property
    def rest(self) -> room.Wanted:
        """All that can still go back."""
        return room.rest_of(self.order, self.beside)

    def shown_lines(self) -> list[tuple]:
        return [(line, 0, self.rest.pieces.get(line.pk, 0), None) for line in self.order.lines.all()]

    def filled(self) -> dict[str, str]:
        is_all = self.data.get(ALL) or self.initial.get(ALL)
        wanted = self.rest if is_all else room.worth_of(self.order, self._pieces(), beside=self.beside)
        found = {"shipping": typed(wanted.shipping_fen)}
        for line, *_rest in self.by_line:
            pieces, fen = wanted.goods.get(line.pk, (0, None))
            found[f"line-{line.pk}-fen"] = "" if fen is None else typed(fen)
            found |= {f"line-{line.pk}": str(pieces)} if is_all else {}
        return found

    def _pieces(self) -> list[dict]:
        """The chosen pieces that there are; what is wrong with others is said by their fields."""
        given = [(line.pk, self.data.get(f"line-{line.pk}", ""), most) for line, _quantity, most, _fen in self.by_line]
        whole = [(pk, int(text), most) for pk, text, most in given if text.isascii() and text.isdigit()]
        return [{"line_id": pk, "quantity": count} for pk, count, most in whole if 0 < count <= most]

    def clean(self):
        given = super().clean()
        if not self.errors and not self.amount():
            raise forms.ValidationError(_("Nothing goes back: say how much for what"))
        return given

    def amount(self) -> int:
        """All that goes back, in fen."""
        return sum(each["amount_fen"] for each in self.chosen()) + (self.cleaned_data.get("shipping") or 0)

    def wanted(self) -> room.Wanted:
        """What goes back, as acts take it."""
        return room.wanted(self.order, self.chosen(), self.cleaned_data.get("shipping") or 0)

    def executed(self) -> dict | None:
        """How it was paid back already, where the hub cannot do it."""
        if self.is_by_hub:
            return None
        given = {name: self.cleaned_data[name] for name in ("transaction_id", "refunded_at")}
        return {"provider": self.paid.provider if self.paid else "offline", **given}


class ApproveForm(RefundForm):
    """A request as it was asked for, amounts to be changed; goods are as they are."""

    offers_all = False

    def prepare(self) -> None:
        super().prepare()
        self.fields["shipping"].initial = self.of.shipping_fen
        for line, *_rest in self.by_line:
            self.fields[f"line-{line.pk}"].disabled = True

    @cached_property
    def beside(self) -> list[room.Wanted]:
        return [asked for refund, asked in room.standing(self.order, but=self.of)]

    @cached_property
    def rest(self) -> room.Wanted:
        """What was asked for."""
        return room.of(self.of)

    def shown_lines(self) -> list[tuple]:
        return [
            (each.line, each.quantity, each.quantity, each.amount_fen)
            for each in self.of.lines.select_related("line").order_by("line__position")
        ]

    def filled(self) -> dict[str, str]:
        asked = {f"line-{pk}-fen": typed(fen) for pk, (_pieces, fen) in self.rest.goods.items()}
        return asked | {"shipping": typed(self.rest.shipping_fen)}

    def amounts(self) -> dict:
        """Fen by order line, where they are other than asked for."""
        found = {line.pk: self.cleaned_data.get(f"line-{line.pk}-fen") or 0 for line, *_rest in self.by_line}
        asked = {line.pk: fen for line, _quantity, _most, fen in self.by_line}
        changed = {pk: fen for pk, fen in found.items() if fen != asked[pk]}
        shipping = self.cleaned_data.get("shipping") or 0
        return changed | ({"shipping": shipping} if shipping != self.of.shipping_fen else {})

"""Money in forms: people type yuan, fen are kept."""

from decimal import Decimal

from django import forms
from unfold.widgets import UnfoldAdminTextInputWidget

LARGEST = 10**12  # fen


def typed(fen: int) -> str:
    """As people type it: 12.34."""
    return f"{fen // 100}.{fen % 100:02d}"


class YuanField(forms.DecimalField):
    """An amount in yuan, to the fen; its value is whole fen."""

    widget = UnfoldAdminTextInputWidget

    def __init__(self, **kwargs):
        super().__init__(min_value=Decimal(0), max_value=Decimal(LARGEST) / 100, decimal_places=2, **kwargs)

    def prepare_value(self, value):
        """Fen from the row are shown as yuan; what somebody typed stays as it is."""
        return typed(value) if isinstance(value, int) else value

    def clean(self, value):
        yuan = super().clean(value)
        return None if yuan is None else int(yuan * 100)

    def has_changed(self, initial, data):
        return super().has_changed(self.prepare_value(initial), data)

"""Staff sign in by password: guessing is counted, for an address and for a name, whatever comes of it."""

from django.core.exceptions import ValidationError
from unfold.forms import AuthenticationForm

from members.api.shapes import whereabouts
from sync import quotas
from sync.http import Problem
from sync.http.problems import CODES
from sync.secret import blind_index

WINDOW = 900  # seconds
PER_ADDRESS, PER_NAME = 100, 30  # an office shares its address


class SignInForm(AuthenticationForm):
    """Beyond the quota no password is looked at, right or wrong."""

    def clean(self):
        try:
            _count(whereabouts(self.request), self.cleaned_data.get("username", ""))
        except Problem as problem:
            raise ValidationError(CODES["too_many_attempts"][1]) from problem
        return super().clean()


def _count(address: str, name: str) -> None:
    """Names and addresses as hashes: who mistypes may have typed a password. Raises Problem `rate_limited`."""
    where, who = (blind_index("staff-sign-in", text).hex()[:32] for text in (address, name.lower()))
    quotas.count(f"staff-at/{where}", limit=PER_ADDRESS, every=WINDOW)
    quotas.count(f"staff-as/{who}", limit=PER_NAME, every=WINDOW)

"""Addresses that staff type in: refused at once when they lead inside; judged again whenever they are called."""

from django.core.exceptions import ValidationError

from sync.addresses import Refused, refuse_internal


def judging(form: type, field: str) -> type:
    """The form class, with the address in `field` judged; an empty one is left to the field."""

    def judged(self) -> str:
        url = self.cleaned_data[field]
        try:
            if url:
                refuse_internal(url)
        except Refused as error:
            raise ValidationError(str(error)) from error
        return url

    setattr(form, f"clean_{field}", judged)
    return form

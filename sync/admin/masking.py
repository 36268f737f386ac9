"""What receivers answer and channels name is theirs: phones and addresses of mail in it are masked for everybody."""

import re

from sync.secret import mask_email

# What stands before a whole number: nothing that is a part of one, but the end of an escape of JSON or of a URL.
BEFORE = r"(?:(?<![0-9A-Za-z])|(?<=\\[bfnrt])|(?<=\\u[0-9A-Fa-f]{4})|(?<=%[0-9A-Fa-f]{2}))"
PHONE = re.compile(rf"{BEFORE}(?:(?:\+|00)?86[ -]?)?(1[3-9][0-9])[ -]?[0-9]{{4}}[ -]?([0-9]{{4}})(?![0-9A-Za-z])")
MAIL = re.compile(r"[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63})+")


def masked(text: str) -> str:
    """The text with each mobile number as 138****8000 and each e-mail address as z***@example.cn."""
    return MAIL.sub(lambda found: mask_email(found[0]), PHONE.sub(r"\1****\2", text))

"""What receivers answer and channels name is theirs: phones and addresses of mail in it are masked for everybody."""

import re

from sync.secret import mask_email

WHOLE = r"(?<![0-9A-Za-z])", r"(?![0-9A-Za-z])"
PHONE = re.compile(rf"{WHOLE[0]}(?:\+?86[ -]?)?(1[3-9][0-9])[ -]?[0-9]{{4}}[ -]?([0-9]{{4}}){WHOLE[1]}")
MAIL = re.compile(r"[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63})+")


def masked(text: str) -> str:
    """The text with each mobile number as 138****8000 and each e-mail address as z***@example.cn."""
    return MAIL.sub(lambda found: mask_email(found[0]), PHONE.sub(r"\1****\2", text))

"""What a sender is given."""

from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True, repr=False)
class Message:
    """A code on its way: the phone in E.164, the challenge it belongs to and what that is for."""

    phone: str
    code: str
    challenge_id: UUID | None
    purpose: str

    @property
    def national(self) -> str:
        """The number as the mainland writes it."""
        return national(self.phone)


@dataclass(frozen=True, repr=False)
class Notice:
    """News on its way: the phone in E.164, the occasion, and texts by our names, in the template's order."""

    phone: str
    occasion: str
    template: str
    values: dict[str, str]
    notice_id: UUID

    @property
    def national(self) -> str:
        """The number as the mainland writes it."""
        return national(self.phone)


def national(phone: str) -> str:
    """11 digits; of other countries with their code, without a plus."""
    return phone.removeprefix("+86").removeprefix("+")

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
        """The number as the mainland writes it: 11 digits; others with their country code, without a plus."""
        return self.phone.removeprefix("+86").removeprefix("+")

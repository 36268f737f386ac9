"""Staff behind actors like `staff/3`, as colleagues call them."""

from collections.abc import Iterable

from django.contrib.auth.models import User


class Names:
    """One query, however many."""

    def __init__(self, actors: Iterable[str]):
        keys = {each.partition("/")[2] for each in actors if each.startswith("staff/")}
        users = User.objects.filter(pk__in=[each for each in keys if each.isdecimal()]) if keys else ()
        self.known = {f"staff/{each.pk}": each.get_full_name() or each.username for each in users}

    def of(self, actor: str) -> str:
        """The name; the actor itself of somebody who is gone."""
        return self.known.get(actor, actor)

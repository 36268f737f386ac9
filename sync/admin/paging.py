"""Lists that cost the same however big the table: a count that stops, and no page behind where it stops."""

from django.core.paginator import Paginator
from django.utils.functional import cached_property

CAP = 10_000


class CappedPaginator(Paginator):
    """Counts to 10,000 and says «10,000+» beyond; deeper rows are found by filter or search."""

    template_name = "admin/capped_pagination.html"

    @cached_property
    def _counted(self) -> int:
        if not hasattr(self.object_list, "query"):
            return len(self.object_list)
        return self.object_list.order_by()[: CAP + 1].count()

    @property
    def count(self) -> int:
        return min(self._counted, CAP)

    @property
    def is_capped(self) -> bool:
        """Whether there is more than is counted."""
        return self._counted > CAP

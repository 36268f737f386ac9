"""Who changed what: the audit rows of staff requests carry their name, method, address and request id."""

import pghistory
from django.utils.deprecation import MiddlewareMixin

from sync.ids import request_id


class History(MiddlewareMixin):
    """Opens an audit context around each staff request that can change something."""

    sync_capable, async_capable = True, False

    def __call__(self, request):
        if request.method in {"GET", "HEAD", "OPTIONS"} or not request.path.startswith("/admin/"):
            return self.get_response(request)
        staff = request.user.pk if request.user.is_authenticated else None
        known = {"staff": staff, "method": request.method, "path": request.path, "request_id": request_id.get()}
        with pghistory.context(**known):
            return self.get_response(request)

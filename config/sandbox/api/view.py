"""The view every call of the sandbox's API is made of."""

from rest_framework.permissions import AllowAny
from rest_framework.views import APIView

from config.sandbox import access
from sync.http import Problem


class SandboxView(APIView):
    """Open to this machine, without a proof; errors are problems as in the public contract."""

    permission_classes = [AllowAny]

    def initial(self, request, *args, **kwargs):
        super().initial(request, *args, **kwargs)
        if not access.is_local(request) or access.is_foreign_page(request):
            raise Problem("forbidden")


class Nowhere(SandboxView):
    """A path of the sandbox that leads nowhere."""

    def initial(self, request, *args, **kwargs):
        super().initial(request, *args, **kwargs)
        raise Problem("not_found")

"""The view every endpoint of the public contract is made of."""

from functools import partial

from rest_framework.response import Response
from rest_framework.views import APIView

from sync import auth, idempotency, prepared
from sync.http import Problem


class ApiView(APIView):
    """Parse, one call, shape. `callers` says whom it serves, `scope` what a backend's key must allow.

    A POST with an Idempotency-Key is answered once (`sync/idempotency.py`). `keeps_answers = False` for what holds
    a token, a code or a ticket; `calls_outside = True` for what must not hold a transaction while it runs.
    """

    authentication_classes = [auth.Caller]
    permission_classes = []
    callers: frozenset[str] | set[str] = frozenset()
    scope = ""
    keeps_answers = True
    calls_outside = False

    def initial(self, request, *args, **kwargs):
        if request.method.lower() not in self.http_method_names or not hasattr(self, request.method.lower()):
            raise Problem("method_not_allowed")
        if request.method == "OPTIONS":
            return
        super().initial(request, *args, **kwargs)
        self.admit(request)
        if request.method == "POST" and idempotency.is_asked(request) and self.keeps_answers:
            self.post = partial(idempotency.once, self, self.post)

    def options(self, request, *args, **kwargs):
        """What may be asked here: the methods in `Allow`, to anybody."""
        return Response(status=204)

    def ahead(self, request) -> prepared.Asked | None:
        """A statement that goes with the one that asks whose token it is, of which it may have the digest as `token`.

        Its rows are `request.auth.ahead`. For what is asked for all day: it saves a round trip.
        """
        return None

    def admit(self, request):
        """Who may come in; raises the Problem that says why not."""
        proof = request.auth
        if proof is None:
            raise Problem("channel_required" if auth.CLIENT in self.callers else "not_authenticated")
        if proof.kind not in self.callers:
            raise Problem("forbidden" if proof.kind != auth.CLIENT else "not_authenticated")
        if proof.kind == auth.BACKEND and self.scope and self.scope not in proof.scopes:
            raise Problem("scope_missing", self.scope)


class ClientView(ApiView):
    """For a channel's web client before sign-in (X-Channel), or one that is signed in."""

    callers = {auth.CLIENT, auth.MEMBER}
    keeps_answers = False


class MemberView(ApiView):
    """For a member's client: one member, one channel, one session."""

    callers = {auth.MEMBER}


class ChannelView(ApiView):
    """For a channel's backend."""

    callers = {auth.BACKEND}

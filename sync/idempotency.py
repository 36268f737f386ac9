"""Idempotency keys: the same request has one effect and one answer, for 24 hours.

The outer transaction is an act: it takes an advisory lock on (caller, key), runs the view in a savepoint and stores
the answer, all or nothing. A view that must call outside commits the key as in flight first, runs without a
transaction, then stores its answer; a crash in between frees the key after a minute.
"""

import hashlib
import re
from collections.abc import Iterator
from datetime import timedelta

from django.db import InterfaceError, OperationalError, connection, transaction
from django.db.models.functions import Now
from django.http import HttpResponse
from django.utils.translation import gettext_lazy as _

from sync import act, auth
from sync.clock import Clock
from sync.http import Problem
from sync.http.problems import problem_for
from sync.models import IdempotentAnswer
from sync.retention import in_batches

KEY = re.compile(r"[ -~]{1,255}")
KEPT = timedelta(hours=24)
IN_FLIGHT = timedelta(seconds=60)
STORED_ERRORS = {403, 404, 409}
STORED_HEADERS = ("Content-Type", "ETag", "Location")
TRY_LOCK = "SELECT pg_try_advisory_xact_lock(hashtextextended(%s, 0))"


def is_asked(request) -> bool:
    """Whether the request carries a key; raises Problem `invalid` for one that is malformed."""
    key = request.headers.get("Idempotency-Key")
    if key is not None and not KEY.fullmatch(key):
        raise Problem.field("Idempotency-Key", _("1–255 printable ASCII characters"))
    return key is not None


def once(view, handler, request, *args, **kwargs) -> HttpResponse:
    """The answer to a POST that carries a key: run it, or give back what it answered before."""
    key = request.headers["Idempotency-Key"]
    answer = IdempotentAnswer(caller=caller_of(request), key=key, request_digest=digest_of(request))
    run = lambda: rendered(view, handler, request, args, kwargs)  # noqa: E731
    return _outside(answer, run) if view.calls_outside else act.outermost(lambda: _inside(answer, run))


def caller_of(request) -> str:
    """Member, channel, or channel + address before sign-in."""
    proof = request.auth
    return f"{proof.channel.code} {proof.actor}" if proof.kind == auth.CLIENT else str(proof.actor)


def digest_of(request) -> bytes:
    """Method, path with query, and the raw body; of a form with files its parts, whatever marks where they begin."""
    raw = request._request
    asked = hashlib.sha256(f"{request.method} {raw.get_full_path()}\n".encode())
    if (raw.content_type or "").startswith("multipart/"):
        for part in _parts(request):
            asked.update(hashlib.sha256(part).digest())
    else:
        asked.update(raw.body)
    return asked.digest()


def _parts(request) -> Iterator[bytes]:
    """Names and contents of a form, in one order. Raises Problem for a form that cannot be read."""
    files = request.FILES
    for name, values in sorted(request.POST.lists()):
        for value in values:
            yield from (b"field", name.encode(), value.encode())
    for name, given in sorted(files.lists()):
        for file in given:
            yield from (b"file", name.encode(), (file.name or "").encode(), (file.content_type or "").encode())
            yield hashlib.sha256(file.read()).digest()
            file.seek(0)


def rendered(view, handler, request, args, kwargs) -> HttpResponse:
    """Run the view; errors become the answers they would be, but for the database's: they end the act around it, which
    retries a deadlock."""
    try:
        response = handler(request, *args, **kwargs)
    except Exception as error:  # every error of a view has its answer
        if isinstance(error, OperationalError | InterfaceError) and not view.calls_outside:
            raise
        response = problem_for(error, {})
    if hasattr(response, "render"):
        response = view.finalize_response(request, response, *args, **kwargs).render()
    return response


class _Refused(Exception):
    """Carries an error answer out of the savepoint, so that what it wrote is undone."""


def _inside(answer: IdempotentAnswer, run) -> HttpResponse:
    with connection.cursor() as cursor:
        cursor.execute(TRY_LOCK, [f"{answer.caller}\n{answer.key}"])
        if not cursor.fetchone()[0]:
            raise Problem("idempotency_key_in_flight", retry_after=1)
    if known := _known(answer):
        return known
    try:
        with transaction.atomic():
            response = run()
            if response.status_code >= 400:
                raise _Refused(response)
            connection.validate_no_broken_transaction()  # else what a view says was done would be undone in silence
    except _Refused as refused:
        response = refused.args[0]
    if storable(response):
        _fill(answer, response).save(force_insert=True)
    return response


def _outside(answer: IdempotentAnswer, run) -> HttpResponse:
    known = act.outermost(lambda: _reserve(answer))
    if known:
        return known
    response = run()
    with transaction.atomic():
        if held := _ours(answer):
            _fill(held, response).save() if storable(response) else held.delete()
    return response


def _ours(answer: IdempotentAnswer) -> IdempotentAnswer | None:
    """The row that was committed as in flight; None when it took so long that the key was given to somebody else."""
    return IdempotentAnswer.objects.select_for_update().filter(pk=answer.pk, status=None).first()


def _reserve(answer: IdempotentAnswer) -> HttpResponse | None:
    with connection.cursor() as cursor:
        cursor.execute(TRY_LOCK, [f"{answer.caller}\n{answer.key}"])
        if not cursor.fetchone()[0]:
            raise Problem("idempotency_key_in_flight", retry_after=1)
    if known := _known(answer):
        return known
    answer.save(force_insert=True)
    return None


def _known(answer: IdempotentAnswer) -> HttpResponse | None:
    """The stored answer to the same request; a row that is too old, or whose run died, is dropped."""
    stored = IdempotentAnswer.objects.filter(caller=answer.caller, key=answer.key).annotate(now=Clock()).first()
    if stored is None:
        return None
    age = stored.now - stored.created_at
    if age > KEPT or (stored.status is None and age > IN_FLIGHT):
        stored.delete()
        return None
    if bytes(stored.request_digest) != answer.request_digest:
        raise Problem("idempotency_key_reused")
    if stored.status is None:
        raise Problem("idempotency_key_in_flight", retry_after=1)
    return _replay(stored)


def _fill(answer: IdempotentAnswer, response) -> IdempotentAnswer:
    answer.status = response.status_code
    answer.headers = {name: response[name] for name in STORED_HEADERS if name in response}
    answer.body = response.content.decode()
    return answer


def _replay(stored: IdempotentAnswer) -> HttpResponse:
    response = HttpResponse(stored.body.encode(), status=stored.status)
    for name, value in stored.headers.items():
        response[name] = value
    response["Idempotency-Replayed"] = "true"
    return response


def storable(response) -> bool:
    """2xx and the declared refusals; what may succeed when repeated is not kept."""
    return response.status_code < 300 or response.status_code in STORED_ERRORS


def drop_expired() -> int:
    """Forget answers older than 24 hours. Returns how many."""
    return in_batches(IdempotentAnswer.objects.filter(created_at__lt=Now() - KEPT))

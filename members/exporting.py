"""The copy of a person's data: a zip of JSON and of pages to read, sealed at rest, fetched once within a day.

Asked for in `members/privacy.py`. The link's token is made of the request's id under the hub's token key: it is
nowhere stored. Who fetches takes the content away in the same act.
"""

import io
import json
import logging
import zipfile
from datetime import timedelta
from hmac import compare_digest
from uuid import UUID

from django.conf import settings
from django.db.models import Q

from members import copy_page
from members.models import Avatar, ExportFile, Member, PrivacyRequest
from members.records import all_records
from sync import clock, secret
from sync.act import act
from sync.clock import Clock
from sync.http import instant

logger = logging.getLogger(__name__)

State = PrivacyRequest.State
AGAIN = timedelta(minutes=2)  # after this long, whoever was making it is taken for dead
BATCH = 20
ENDINGS = {"image/jpeg": "jpg", "image/png": "png", "image/webp": "webp"}


def make_due() -> int:
    """Make the copies that wait, each in an act of its own; one that fails is tried again. Returns how many were made.

    May run beside itself, or be killed.
    """
    made = 0
    for request in _claimed():
        try:
            made += _make(request)
        except Exception:  # one person's data must not hold up everybody's
            logger.exception("Export %s", request)
    return made


@act
def _claimed() -> list[UUID]:
    """Requests that nobody works on, taken: for two minutes they are this worker's."""
    free = Q(state=State.OPEN) | Q(state=State.RUNNING, begun_at__lt=Clock() - AGAIN)
    rows = PrivacyRequest.objects.select_for_update(skip_locked=True, no_key=True).filter(free, kind="export")
    taken = list(rows.order_by("asked_at").values_list("pk", flat=True)[:BATCH])
    PrivacyRequest.objects.filter(pk__in=taken).update(state=State.RUNNING, begun_at=Clock())
    return taken


@act
def _make(request_id: UUID) -> bool:
    request = PrivacyRequest.objects.select_for_update(no_key=True, of=["self"]).select_related("member")
    found = request.get(pk=request_id)
    if found.state != State.RUNNING:
        return False
    found.closed_at, found.closed_by = clock.now(), "system/hub"
    if found.member.status in {Member.Status.MERGED, Member.Status.ERASED}:
        found.state = State.WITHDRAWN
        found.save()
        return False
    content, expires_at = packed(found.member), found.closed_at + timedelta(hours=settings.EXPORT_HOURS)
    _earlier(found.member_id).delete()
    sealed = secret.seal(content, _bound_to(found.pk))
    ExportFile.objects.create(request=found, content=sealed, size=len(content), expires_at=expires_at)
    found.state, found.receipt = State.DONE, {"at": instant(found.closed_at), "bytes": len(content)}
    found.save()
    return True


def _earlier(member_id: UUID):
    """A newer copy makes the link of an older one useless."""
    return ExportFile.objects.filter(request__member=member_id)


def packed(member: Member) -> bytes:
    """The zip: `data.json`, a page in Chinese and one in English, the picture."""
    told = {"made_at": instant(clock.now())}
    for records in all_records():
        told |= records.export(member.id)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("data.json", json.dumps(told, ensure_ascii=False, indent=2))
        for language, name in (("zh-hans", "我的数据.html"), ("en", "my-data.html")):
            archive.writestr(name, copy_page.page(told, language))
        if avatar := Avatar.objects.filter(member=member).first():
            archive.writestr(f"avatar.{ENDINGS.get(avatar.content_type, 'img')}", bytes(avatar.content))
    return out.getvalue()


def state_of(request: PrivacyRequest) -> tuple[str, ExportFile | None]:
    """`waiting`, `ready` with its file, `fetched`, `expired` or `withdrawn`."""
    if request.state in {State.OPEN, State.RUNNING}:
        return "waiting", None
    if request.state != State.DONE:
        return "withdrawn", None
    file = ExportFile.objects.annotate(now=Clock()).filter(request=request).first()
    if file and file.fetched_at:
        return "fetched", None
    return ("ready", file) if file and file.content and file.now < file.expires_at else ("expired", None)


def link(request_id: UUID) -> str:
    """Where the copy is fetched, once."""
    return f"{settings.PUBLIC_URL}/exports/{request_id}?token={_token(request_id)}"


def is_link(request_id: UUID, token: str) -> bool:
    """Whether this is the token of the request's link."""
    return compare_digest(_token(request_id).encode(), token.encode())


@act
def fetch(request_id: UUID) -> bytes | None:
    """The copy, in clear, for the first who comes in time; the hub has it no more. None for everybody else."""
    rows = ExportFile.objects.select_for_update().annotate(now=Clock())
    file = rows.filter(pk=request_id, content__isnull=False).first()
    if file is None or file.expires_at <= file.now:
        return None
    content = secret.unseal(file.content, _bound_to(file.pk))
    ExportFile.objects.filter(pk=file.pk).update(content=None, fetched_at=Clock())
    return content


def drop_expired() -> int:
    """Drop copies that nobody fetched in time. Returns how many."""
    unfetched = ExportFile.objects.filter(content__isnull=False, expires_at__lt=Clock())
    return unfetched.update(content=None)


def _token(request_id: UUID) -> str:
    return secret.derived(str(request_id), "export")


def _bound_to(request_id: UUID) -> str:
    return f"members_exportfile.content:{request_id}"

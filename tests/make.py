"""What tests are made of: channels, members, clients that speak the public contract with real credentials.

Makers write rows directly and record no events, so a test sees only the facts of what it does itself. Floors above
keep makers of their own (`tests/<floor>/make_*.py`).
"""

import base64
import json
import os
import secrets
from datetime import UTC, datetime, timedelta
from itertools import count
from uuid import UUID

from django.db import connection
from django.test import Client

from members import sessions
from members.models import Identity, Member, Policy, Session
from sync import events, secret
from sync.act import Actor
from sync.envelope import cloud_event
from sync.ids import uuid7
from sync.models import Channel, ChannelKey, Event, Scope, SharingGroup
from sync.services import admit
from tests import contract

NOON = datetime.now(UTC).replace(hour=4, minute=0, second=0, microsecond=0) - timedelta(days=1)  # Shanghai's, yesterday
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
STAFF, BACKEND = Actor("staff", "1"), Actor("channel", "website", "website")
POLICIES = {"terms": ("用户协议", True), "privacy": ("隐私政策", True), "marketing": ("营销信息", False)}
FROZEN = {"status": "frozen", "frozen_scopes": ["sign_in", "points", "orders"]}
KINDS = {"website": "website", "mini-program": "mini_program", "app": "app"}


def channel(code: str = "website", *, group: str = "brand", **fields) -> Channel:
    """The channel of this code, made when it is missing; all share one group unless told otherwise."""
    if there := Channel.objects.filter(code=code).first():
        return there
    sharing, _made = SharingGroup.objects.get_or_create(code=group, defaults={"name": group})
    known = {
        "name": code,
        "kind": KINDS.get(code, "store"),
        "group": sharing,
        "app_id": f"wx-{code}",
        "app_secret": f"app-secret-of-{code}",
        "merchant_id": "1900000001",
        "inbound_secret": "whsec_" + base64.b64encode(code.encode().ljust(24, b"-")).decode(),
        "origins": [f"https://{code}.example"],
        "refund_window_days": 0,
    }
    found, _made = Channel.objects.get_or_create(code=code, defaults=known | fields)
    return found


def policies() -> list[dict]:
    """The current policies; returns the consents that a registration needs, as a client sends them."""
    for purpose, (title, required) in POLICIES.items():
        text = {"title": title, "text_url": f"/policies/{purpose}", "text_digest": "0" * 64, "is_required": required}
        Policy.objects.get_or_create(purpose=purpose, version="1", locale="zh-hans", defaults=text)
    return [{"purpose": purpose, "version": "1"} for purpose in ("terms", "privacy")]


def mobile() -> str:
    """A number nobody has, in E.164."""
    return f"+86138{secrets.randbelow(10**8):08d}"


_members = count(1)


def member(
    *,
    channel: Channel | str | None = "website",
    phone: str | None = None,
    openid: str = "",
    unionid: str = "",
    **fields,
) -> Member:
    """A member who registered on a channel, with verified identities; `openid` belongs to the channel's app."""
    home = _channel(channel) if channel else None
    fields.setdefault("nickname", "小明")
    fields.setdefault("number", f"M20260101{os.getpid() % 1000:03d}{next(_members):05d}")  # by chance two are alike
    made = Member(home_channel=home, **fields)
    if phone:
        made.phone, made.phone_index = phone, secret.blind_index("phone", phone)
        made.phone_mask, made.phone_last4 = secret.mask_phone(phone), phone[-4:]
    made.save(force_insert=True)
    if home:
        admit(events.of_member(made.id), home)
    for kind, value in (("phone", phone), ("wechat_openid", openid), ("wechat_unionid", unionid)):
        if value:
            identity(made, kind, value, channel=home)
    return made


def identity(member: Member, kind: str, value: str, *, channel: Channel | None = None, **fields) -> Identity:
    """An identity of a member: verified with assurance 3 unless told otherwise."""
    place = channel or _channel("website")
    known = {
        "namespace": {"wechat_openid": place.app_id, "external": place.code}.get(kind, ""),
        "value_index": secret.blind_index(kind, value),
        "mask": secret.mask_phone(value) if kind == "phone" else secret.mask_id(value),
        "proof": "verified",
        "assurance": 3,
        "channel": place,
    }
    known |= fields
    if known["proof"] == "verified":
        known.setdefault("verified_at", datetime.now(UTC))
    return Identity.objects.create(member=member, kind=kind, value=value, **known)


def session(member: Member, channel: Channel | str = "website", *, assurance: int = 3, **fields) -> Session:
    """A session of a member; `session.tokens` are its tokens in clear."""
    proven = fields.pop("proven", member.identities.values_list("id", flat=True))
    started, tokens = sessions.start(member=member, channel=_channel(channel), assurance=assurance, proven=proven)
    if fields:
        Session.objects.filter(pk=started.pk).update(**fields)
        started.refresh_from_db()
    started.tokens = tokens
    return started


class Http(Client):
    """Django's client; every answer of the public contract is held against what the hub serves as its contract."""

    def request(self, **request):
        response = super().request(**request)
        asked = response.wsgi_request
        if asked.path.startswith("/api/v1/"):
            contract.hold(response, asked.method, asked.path)
        return response


class Caller:
    """A client of the public contract: JSON in, JSON out, its credentials on every call.

    Paths are relative to /api/v1/. `member`, `session` and `channel` are those it stands for.
    """

    def __init__(self, headers: dict[str, str], *, channel: Channel, member: Member | None = None, session=None):
        self.headers, self.channel, self.member, self.session = headers, channel, member, session
        self.http = Http(raise_request_exception=False)

    def get(self, path: str, headers: dict | None = None, **query):
        return self.http.get(_url(path), query, headers=self.headers | (headers or {}))

    def post(self, path: str, body=None, headers: dict | None = None):
        return self._send("post", path, {} if body is None else body, headers)

    def put(self, path: str, body, headers: dict | None = None):
        return self._send("put", path, body, headers)

    def patch(self, path: str, body, headers: dict | None = None):
        return self._send("patch", path, body, headers)

    def delete(self, path: str, headers: dict | None = None):
        return self.http.delete(_url(path), headers=self.headers | (headers or {}))

    def _send(self, method: str, path: str, body, headers):
        send = getattr(self.http, method)
        return send(_url(path), body, content_type="application/json", headers=self.headers | (headers or {}))


def client(channel: Channel | str = "website") -> Caller:
    """A channel's web client before sign-in."""
    place = _channel(channel)
    return Caller({"X-Channel": place.code}, channel=place)


def member_client(member: Member | None = None, channel: Channel | str = "website", **fields) -> Caller:
    """A member's client, signed in on a channel just now."""
    place = _channel(channel)
    who = member or globals()["member"](channel=place)
    admit(events.of_member(who.id), place)
    opened = session(who, place, **fields)
    return bearing(opened.tokens.access, channel=place, member=who, session=opened)


def bearing(access_token: str, **known) -> Caller:
    """A client that holds this access token."""
    known.setdefault("channel", None)
    return Caller({"Authorization": f"Bearer {access_token}"}, **known)


def backend_client(channel: Channel | str = "website", scopes: list[str] | None = None) -> Caller:
    """A channel's backend with a new key; all scopes unless some are named."""
    place, key = _channel(channel), secret.token("hub_sk_")
    allowed = list(Scope.values) if scopes is None else scopes
    ChannelKey.objects.create(id=uuid7(), channel=place, label="test", digest=secret.digest(key), scopes=allowed)
    return Caller({"Authorization": f"Bearer {key}"}, channel=place)


def events_of(subject: Member | UUID | str) -> list[Event]:
    """The facts told about a member (or a subject like order/D…), in their sequence."""
    member = getattr(subject, "id", subject)
    stream = member if isinstance(member, str) else events.of_member(member)
    found = list(Event.objects.filter(subject=stream).order_by("sequence"))
    for event in found:
        contract.hold_event(json.loads(cloud_event(vars(event))))
    return found


def types_of(subject: Member | UUID | str) -> list[str]:
    """The types of those facts."""
    return [event.type for event in events_of(subject)]


IGNORED_TABLES = {"sync_quota", "django_session", "django_migrations", "django_content_type", "auth_permission"}
IGNORED_COLUMNS = ["tries", "last_used_at", "last_seen_at", "successor_used_at"]  # bookkeeping of refusals and visits
SNAPSHOT = """
SELECT coalesce(jsonb_agg(line ORDER BY line::text)::text, '[]')
FROM (SELECT to_jsonb(t) - %s::text[] AS line FROM {} t) l
"""


def tables() -> list[str]:
    """Every table of the database."""
    with connection.cursor() as cursor:
        return sorted(connection.introspection.table_names(cursor))


def snapshot() -> dict[str, str]:
    """Every row of every table as text, but for quotas and counters of attempts and visits."""
    found = {}
    with connection.cursor() as cursor:
        for table in set(tables()) - IGNORED_TABLES:
            name = connection.ops.quote_name(table)
            cursor.execute(SNAPSHOT.format(name), [IGNORED_COLUMNS])
            found[table] = cursor.fetchone()[0]
    return found


def _channel(given: Channel | str) -> Channel:
    return channel(given) if isinstance(given, str) else given


def _url(path: str) -> str:
    return path if path.startswith(("/", "http")) else f"/api/v1/{path}"

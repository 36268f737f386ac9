"""Members with everything that a merge touches, and what must be the same again after an un-merge."""

from datetime import timedelta
from uuid import UUID

from loyalty import services as loyalty
from loyalty.models import Hold, Lot, Purchase
from loyalty.queries import as_points
from members import merging, profile, queries, services
from members.models import (
    Address,
    Avatar,
    Consent,
    FieldWrite,
    Freeze,
    Identity,
    Member,
    Merge,
    NoticeConsent,
    NoticeTemplate,
)
from members.profile import Said
from orders.models import Order
from sync import events
from sync.act import act
from sync.models import Audience
from tests import make
from tests.orders import make_orders

GROWS = {"version", "updated_at"}
HOUR = timedelta(hours=1)


@act
def merge(source: Member, target: Member, why: str = "One person, as they said at the till") -> Merge:
    """As two people of the staff have it done."""
    return merging.merge(*services.lock(source.id, target.id), why=why, by=make.STAFF)


@act
def fold(source: Member, target: Member, proven=()) -> Merge:
    """As a proof has it done."""
    return merging.fold(*services.lock(source.id, target.id), proven=proven, by=make.STAFF)


def unmerge(merge: Merge) -> Merge:
    """As two people of the staff have it done."""
    return merging.unmerge(merge, by=make.STAFF)


def rich(name: str, *, channel="website", phone=True, frozen=(), points=70, orders=1, **fields) -> Member:
    """A member who has used everything: ways in, profile, addresses, consents, notices, points, holds, orders."""
    place = make.channel(channel)
    fields.setdefault("nickname", name)
    member = make.member(
        channel=place,
        phone=make.mobile() if phone else None,
        openid=f"openid-of-{name}",
        unionid=f"unionid-of-{name}",
        **fields,
    )
    make.identity(member, "external", f"customer-{name}", channel=place, proof="asserted", assurance=0)
    act(profile.note)(member, Said({"nickname": member.nickname}, place), by=make.STAFF)
    address(member, is_default=True), address(member)
    consent(member, "terms"), consent(member, "marketing")
    NoticeConsent.objects.create(member=member, template=template(), left=2, last_result="accept")
    make.session(member, place)
    if points:
        loyalty.earn(member=member.id, points=points, reference=f"points-of-{name}", by=make.BACKEND)
        held = {"points": points // 4, "reference": f"hold-of-{name}", "expires_in": HOUR, "is_present": True}
        loyalty.hold(member=member.id, channel=place, by=make.BACKEND, **held)
    for _number in range(orders):
        make_orders.order(member=member, channel=place)
    if frozen:
        freeze(member, frozen)
    return Member.objects.get(pk=member.pk)


def address(member: Member, **fields) -> Address:
    place = {"province": "浙江省", "city": "杭州市", "district": "西湖区", "street": "龙井路1号"}
    return Address.objects.create(member=member, receiver="王小明", phone="+8613800138000", **place | fields)


def consent(member: Member, purpose: str, given: str = "granted", version: str = "1") -> Consent:
    return Consent.objects.create(member=member, purpose=purpose, version=version, act=given)


def template() -> NoticeTemplate:
    known = {"occasion": "order_shipped", "title": "发货通知"}
    return NoticeTemplate.objects.get_or_create(channel=make.channel(), template_id="t1", defaults=known)[0]


def freeze(member: Member, scopes) -> Freeze:
    laid = {"reason": "fraud", "by": "staff/1", "approved_by": "staff/2"}
    Member.objects.filter(pk=member.pk).update(status="frozen", frozen_scopes=list(scopes))
    return Freeze.objects.create(member=member, scopes=list(scopes), **laid)


def projection(*members: Member | UUID) -> dict:
    """What an un-merge right after the merge must give back exactly: all but what only grows."""
    return {str(key): _of(key) for key in (getattr(member, "pk", member) for member in members)}


def _of(member_id: UUID) -> dict:
    member, mine = Member.objects.get(pk=member_id), {"member": member_id}
    return {
        "me": _still(queries.as_me(member)),
        "person": (member.phone, member.phone_last4, member.email, member.frozen_scopes, member.merged_into_id),
        "identities": [
            (row.id, row.kind, row.namespace, row.value, row.proof, row.assurance, row.verified_at, row.channel_id)
            for row in Identity.objects.filter(**mine).order_by("id")
        ],
        "writes": _rows(FieldWrite.objects.filter(**mine).order_by("field"), without={"id"}),
        "avatar": list(Avatar.objects.filter(**mine).values("id")),
        "addresses": [(row.id, row.is_default, row.street) for row in Address.objects.filter(**mine).order_by("id")],
        "consents": queries.granted_by(member_id),
        "freezes": list(Freeze.objects.filter(**mine, lifted_at=None).values("id", "scopes", "expires_at")),
        "notices": list(NoticeConsent.objects.filter(**mine).values_list("template", "left")),
        "points": _still(as_points(member_id)),
        "lots": _rows(Lot.objects.filter(account__member=member_id).order_by("pk")),
        "holds": _rows(Hold.objects.filter(account__member=member_id, state="held").order_by("pk")),
        "purchases": _rows(Purchase.objects.filter(account__member=member_id).order_by("pk")),
        "orders": list(Order.objects.filter(**mine).order_by("id").values_list("id", flat=True)),
        "absorbed": sorted(Member.objects.filter(merged_into=member_id).values_list("id", flat=True)),
        "audience": sorted(_seen_by(member_id)),
    }


def _seen_by(member_id: UUID) -> list[str]:
    return list(Audience.objects.filter(subject=events.of_member(member_id)).values_list("channel__code", flat=True))


def _rows(rows, without=frozenset()) -> list[dict]:
    return [{name: value for name, value in row.items() if name not in GROWS | without} for row in rows.values()]


def _still(shown: dict) -> dict:
    return {name: value for name, value in shown.items() if name not in GROWS}

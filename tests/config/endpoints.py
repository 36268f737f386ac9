"""Every operation of the served contract, with what a right call of it is made of.

The list is drawn from the contract itself: an endpoint that is added is swept as well, or says what is missing here.
"""

import re
from dataclasses import dataclass
from functools import cached_property

from loyalty import services as loyalty
from sync import auth
from sync.act import Actor
from sync.clock import Clock
from sync.http import instant
from tests import contract, make
from tests.loyalty import make_holds
from tests.members import make_privacy, make_profile, make_proofs
from tests.orders import make_orders, make_parcels

UNKNOWN = "0193a8f0-0000-7000-8000-000000000000"
NUMBER = "D2026112200000000"
CODE = {"challenge_id": UNKNOWN, "code": "123456"}
ITEM = {"sku": "TEA-01", "name": "龙井", "quantity": 1, "unit_price_fen": 100}
EVENT = {"specversion": "1.0", "id": "1", "source": "/channels/website", "type": "order.placed", "data": {}}
ADDRESS = {"receiver": "张三", "phone": "13800138000", "province": "浙江省", "city": "杭州市", "street": "龙井路 1 号"}
BODIES = {  # one body in shape for each operation that takes one
    "post_auth_sms_codes": {"phone": "13800138000", "purpose": "sign_in"},
    "post_auth_phone": CODE,
    "post_auth_phone_link": CODE,
    "post_auth_step_up": CODE,
    "post_auth_register": {"registration_token": "nothing"},
    "post_auth_wechat_mini_program": {"code": "nothing"},
    "post_auth_wechat_website": {"code": "nothing", "state": "nothing", "verifier": "nothing"},
    "post_auth_wechat_phone": {"code": "nothing"},
    "post_me_notices": {"template_id": "nothing", "result": "accept"},
    "post_auth_grant": {"grant": "nothing"},
    "post_sign_in_grants": {"identity": {"kind": "external", "value": "1"}},
    "post_auth_refresh": {"refresh_token": "nothing"},
    "put_me_phone": CODE,
    "post_link_cases_case_id_challenges": {"kind": "sms"},
    "post_link_cases_case_id_proofs": {"kind": "old_sign_in", "access_token": "nothing"},
    "patch_me": {"nickname": "小红"},
    "patch_members_member_id": {"nickname": "小红"},
    "post_me_addresses": ADDRESS,
    "patch_me_addresses_address_id": {"city": "宁波市"},
    "post_me_consents": {"purpose": "marketing", "version": "1"},
    "post_members_resolve": {"identities": [{"kind": "external", "value": "1"}]},
    "post_orders": {"external_id": "1", "items": [ITEM], "shipping_fen": 0, "discounts": [], "points_to_redeem": 0},
    "patch_orders_number": {"shipping_fen": 0},
    "post_orders_number_payments": {
        "provider": "offline", "transaction_id": "1", "amount_fen": 1, "paid_at": instant(make.NOON)
    },
    "post_orders_number_shipments": {"carrier": "shunfeng", "tracking_number": "SF1"},
    "patch_orders_number_shipments_shipment_id": {"tracking_number": "SF2"},
    "post_me_orders_number_payments": {"method": "wechat_native"},
    "post_orders_number_refunds": {"external_id": "1", "items": [{"line_id": UNKNOWN, "quantity": 1, "amount_fen": 1}]},
    "post_me_orders_number_refunds": {"items": [{"line_id": UNKNOWN, "quantity": 1}], "reason": ""},
    "post_members_member_points_entries": {"kind": "earn", "points": 1, "reason": "", "reference": "1"},
    "post_members_member_points_holds": {"points": 1, "reference": "1", "expires_in": 60},
    "post_points_holds_hold_capture": {"points": 1},
    "post_points_quote": {"member_id": UNKNOWN, "items_fen": 100},
    "post_inbox": EVENT,
}  # fmt: skip


@dataclass(frozen=True)
class Endpoint:
    """One operation: a method and a path in the words of OpenAPI."""

    method: str
    path: str
    name: str

    def __str__(self):
        return f"{self.method} {self.path.removeprefix('/api/v1/')}"

    @cached_property
    def operation(self) -> dict:
        return contract.document()["paths"][self.path][self.method.lower()]

    @property
    def callers(self) -> set[str]:
        return {kind for either in self.operation.get("security", []) for kind in either}

    @property
    def is_signed(self) -> bool:
        return "signed" in self.callers

    @property
    def takes_body(self) -> bool:
        return "application/json" in self.operation.get("requestBody", {}).get("content", {})

    def takes(self, parameter: str) -> bool:
        return any(known.get("name") == parameter for known in self.operation["parameters"])

    def url(self, **given) -> str:
        """The path with its parameters: unknown ones unless given."""
        return re.sub(r"\{(\w+)\}", lambda found: given.get(found[1], self.unknown(found[1])), self.path)

    def unknown(self, parameter: str) -> str:
        return NUMBER if parameter == "number" else UNKNOWN

    @property
    def parameters(self) -> list[str]:
        return re.findall(r"\{(\w+)\}", self.path)

    @property
    def body(self) -> dict | None:
        """A body in shape."""
        return BODIES[self.name] if self.takes_body else None

    def caller(self) -> make.Caller:
        """Somebody who may come in."""
        channel = make.channel(
            "mini-program" if "mini_program" in self.name or "wechat_phone" in self.name else "website"
        )
        if self.callers & {auth.CLIENT}:
            return make.client(channel)
        if auth.MEMBER in self.callers:
            confirmed_at = Clock() if self.name in {"post_me_exports", "post_me_erasure"} else None
            return make.member_client(make.member(channel=channel), channel, stepped_up_at=confirmed_at)
        return make.backend_client(channel) if auth.BACKEND in self.callers else make.Caller({}, channel=channel)


def foreign() -> dict[str, str]:
    """For each parameter of a path an object that exists and is none of the caller's: a stranger's, elsewhere."""
    elsewhere = make.channel("elsewhere", group="another brand")
    stranger = make.member(channel=elsewhere)
    entry = loyalty.earn(
        member=stranger.pk,
        points=1,
        reference="1",
        by=Actor("channel", elsewhere.code, elsewhere.code),
        channel=elsewhere,
    )
    order = make_orders.order(member=stranger, channel=elsewhere)
    return {
        "number": order.number,
        "shipment_id": str(make_parcels.ship(order, is_fact=True).pk),
        "address_id": str(make_profile.address(stranger).pk),
        "export_id": str(make_privacy.asked_for(stranger, "export").pk),
        "session_id": str(make.session(stranger, elsewhere).pk),
        "identity_id": str(make.identity(stranger, "wechat_unionid", "unionid-of-a-stranger").pk),
        "case_id": str(make_proofs.case_of(stranger, make.member(channel=elsewhere)).pk),
        "member": str(stranger.pk),
        "member_id": str(stranger.pk),
        "entry": str(entry.pk),
        "hold": str(make_holds.hold(stranger, 1, by=Actor("channel", elsewhere.code, elsewhere.code)).pk),
    }


def all_of_them() -> list[Endpoint]:
    """Every operation of the contract."""
    return [
        Endpoint(method.upper(), path, operation["operationId"])
        for path, methods in contract.document()["paths"].items()
        for method, operation in methods.items()
    ]

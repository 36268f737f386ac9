"""What each type of event tells, as the contract documents it: every floor's shapes in one list."""

from drf_spectacular.plumbing import build_mocked_view
from drf_spectacular.utils import extend_schema
from rest_framework.serializers import Serializer

from loyalty.api.shown import ExpiringSoonOut, PostedOut, TierChangeOut
from members.api import told as members
from orders.api.told import OrderChangeOut
from sync.api.shown import SIGNATURE

SETTLING = ["placed", "updated", "paid", "cancelled", "completed"]
MOVING = ["shipped", "tracking_updated", "delivered", "refund_requested", "refunded", "claimed"]
POINTS = ["earned", "spent", "held", "released", "reversed", "expired", "adjusted"]
DATA: dict[type[Serializer], list[str]] = {
    members.MemberChangeOut: ["member.registered", "member.updated", "member.erased"],
    members.IdentityChangeOut: ["member.identity_linked", "member.identity_unlinked"],
    members.ConsentChangeOut: ["member.consent_granted", "member.consent_withdrawn"],
    members.MergeChangeOut: ["member.merged", "member.unmerged"],
    members.FreezeChangeOut: ["member.frozen", "member.unfrozen"],
    OrderChangeOut: [f"order.{what}" for what in SETTLING + MOVING],
    PostedOut: [f"points.{what}" for what in POINTS],
    ExpiringSoonOut: ["points.expiring"],
    TierChangeOut: ["tier.changed"],
}
TYPES = [name for names in DATA.values() for name in names]


def describe(result: dict, registry) -> None:
    """Say in `CloudEvent` what the data of each type is, and that webhooks carry one."""
    schema = build_mocked_view("GET", "/", extend_schema(), registry).schema
    shapes = {schema.resolve_serializer(shown, "response").name: names for shown, names in DATA.items()}
    result["components"]["schemas"] |= registry.build({})["schemas"]
    event = result["components"]["schemas"]["CloudEvent"]
    event["properties"]["type"]["examples"] = TYPES
    event["allOf"] = [told(name, types) for name, types in shapes.items()]
    result["webhooks"] = {"fact": {"post": webhook()}}


def told(name: str, types: list[str]) -> dict:
    """The data of these types. A type that is not known yet may tell anything."""
    data = {"properties": {"data": {"$ref": f"#/components/schemas/{name}"}}}
    return {"if": {"properties": {"type": {"enum": types}}}, "then": data}


def webhook() -> dict:
    """What an endpoint of a channel is sent."""
    headers = [
        {"name": name, "in": "header", "required": True, "schema": {"type": "string"}, "description": description}
        for name, description in SIGNATURE.items()
    ]
    body = {"application/json": {"schema": {"$ref": "#/components/schemas/CloudEvent"}}}
    return {
        "operationId": "fact",
        "description": "One event to a subscribed endpoint, signed, in order per endpoint and member.",
        "parameters": headers,
        "requestBody": {"required": True, "content": body},
        "responses": {
            "2XX": {"description": "Taken"},
            "410": {"description": "The endpoint is gone: it is disabled"},
            "default": {"description": "Not taken: tried again later"},
        },
    }

"""Roles of staff: groups with their permissions, written by `manage.py roles` from the tables below.

What a role may do is here; which channels a person may do it on is granted per channel (`sync.view_channel` on the
object), by `enrol` or on the person's page. Whoever holds no channel sees no member, order or message.
"""

from collections.abc import Iterable

from django.contrib.auth.models import Group, Permission, User
from django.db import transaction
from django.utils.translation import gettext_lazy as _
from guardian.shortcuts import assign_perm, get_objects_for_user, remove_perm

from sync.models import Channel

PEOPLE = (
    *("member", "identity", "session", "consent", "policy", "linkcase", "merge", "request", "freeze"),
    *("address", "avatar", "fieldwrite", "privacyrequest", "exportfile"),
)
NOTICES = ("noticetemplate", "noticeconsent", "membernotice")
POINTS = (
    "account",
    "entry",
    "lot",
    "draw",
    "hold",
    "purchase",
    "purchaseline",
    "purchaserefund",
    "earnrule",
    "earnboost",
)
TIERS = ("programme", "tier", "benefit", "tierchange")
STAFF_S_POINTS = ("adjustment", "adjustmentfile", "adjustmentrow", "reason", "waitinglot", "bonus", "expirynotice")
ORDERS = ("order", "line", "payment", "paymentcase", "refund", "refundline", "shipment", "shipmentline", "carrier")
ORDERS += ("shippingupload", "superseded", "intervention", "orderterms", "shippingfile", "shippingrow")
BILLS = ("merchant", "bill", "billline")
CHANNELS = ("channel", "sharinggroup", "endpoint")
TRAFFIC = (
    "event",
    "delivery",
    "attempt",
    "replay",
    "inboxmessage",
    "inboxreplay",
    "acknowledged",
    "audience",
    "stream",
    "forwardedpush",
)
WATCH = ("reconciliationrun", "discrepancy", "alert", "alertrule", "notice", "measure", "heartbeat")
MACHINERY = ("settled", "batch", "horizon", "ticket", "idempotentanswer", "quota")
WAYS_IN = ("smschallenge", "membercode", "websitelogin", "registration", "signingrant", "wechattoken")


def _permissions(act: str, app: str, models: Iterable[str]) -> set[str]:
    return {f"{app}.{act}_{model}" for model in models}


def _view(app: str, models: Iterable[str]) -> set[str]:
    return _permissions("view", app, models)


def _edit(app: str, *models: str) -> set[str]:
    return _permissions("view", app, models) | _permissions("add", app, models) | _permissions("change", app, models)


MEMBERS_SEEN = (
    _view("members", PEOPLE + NOTICES) | _view("loyalty", POINTS + TIERS + STAFF_S_POINTS) | {"sync.view_channel"}
)
ORDERS_SEEN = _view("orders", ORDERS)
CHANNELS_SEEN = _view("sync", CHANNELS)
TRAFFIC_SEEN = _view("sync", TRAFFIC)
WATCH_SEEN = _view("sync", WATCH)
MACHINERY_SEEN = _view("sync", MACHINERY) | _view("members", WAYS_IN)
ASKS = {"loyalty.add_adjustment"}
DECIDES = {"loyalty.approve_adjustment", "loyalty.release_lot"}
ASKS_ABOUT_PEOPLE = {"members.add_request", "members.freeze_member"}
DECIDES_ABOUT_PEOPLE = ASKS_ABOUT_PEOPLE | {"members.approve_request"}
SHOWN_ON_REASON = _view("orders", ["recipient", "disclosure"])
SHIPS = {"orders.ship_order", "orders.edit_recipient"}
REPLAYS = {"sync.replay_inboxmessage", "sync.add_replay"}
MOVES_MONEY = {"orders.mark_paid", "orders.refund_order", "orders.decide_payment_case"}
READS_PROVIDERS = {"orders.read_provider_messages"} | _view("sync", ["inboxmessage"])
HANDLES_ORDERS = SHIPS | {"orders.enter_order", "orders.cancel_order", "orders.reassign_order"}
LOOKS = MEMBERS_SEEN | ORDERS_SEEN | CHANNELS_SEEN | TRAFFIC_SEEN | WATCH_SEEN

TITLES = {
    "operator": _("Operator"),
    "administrator": _("Administrator"),
    "manager": _("Manager"),
    "support": _("Support"),
    "finance": _("Finance"),
    "engineer": _("Engineer"),
    "auditor": _("Auditor"),
}
ROLES: dict[str, set[str]] = {
    "operator": LOOKS,
    "administrator": LOOKS
    | _edit("sync", "channel", "sharinggroup", "endpoint", "channelkey", "alertrule")
    | _edit("members", "policy", "noticetemplate")
    | _edit("loyalty", "programme", "tier", "earnrule")
    | {"loyalty.activate_earnrule"}
    | _edit("loyalty", "reason")
    | ASKS
    | DECIDES
    | DECIDES_ABOUT_PEOPLE
    | _edit("auth", "user")
    | _edit("orders", "orderterms", "carrier")
    | HANDLES_ORDERS
    | MOVES_MONEY
    | REPLAYS
    | READS_PROVIDERS
    | _view("orders", [*BILLS, "merchantkey", "disclosure"])
    | {
        "orders.change_merchantkey",
        "auth.view_group",
        "members.resend_membernotice",
        "members.freeze_member",
        "members.handle_privacyrequest",
        "members.publish_policy",
        "members.add_consent",
        "config.view_dashboard",
    },
    "manager": LOOKS | {"config.view_dashboard"},
    "support": MEMBERS_SEEN
    | ORDERS_SEEN
    | SHOWN_ON_REASON
    | ASKS
    | ASKS_ABOUT_PEOPLE
    | HANDLES_ORDERS
    | {"orders.refund_order"}
    | _view("sync", ["event", "delivery", "inboxmessage"])
    | {"members.add_consent", "members.reveal_phone", "members.resend_membernotice", "orders.reveal_recipient"}
    | {"members.handle_privacyrequest"},
    "finance": MEMBERS_SEEN
    | ORDERS_SEEN
    | WATCH_SEEN
    | ASKS
    | DECIDES
    | MOVES_MONEY
    | READS_PROVIDERS
    | _view("orders", [*BILLS, "disclosure"])
    | _view("sync", ["event", "delivery"])
    | {"config.view_dashboard"},
    "engineer": CHANNELS_SEEN
    | TRAFFIC_SEEN
    | MACHINERY_SEEN
    | WATCH_SEEN
    | REPLAYS
    | _edit("sync", "endpoint", "alertrule")
    | _view("sync", ["channelkey"])
    | {"config.view_dashboard"},
    "auditor": LOOKS
    | MACHINERY_SEEN
    | SHOWN_ON_REASON
    | READS_PROVIDERS
    | _view("auth", ["user", "group"])
    | _view("orders", [*BILLS, "merchantkey"])
    | _view("sync", ["channelkey"])
    | {"config.view_dashboard"},
}


class UnknownPermission(Exception):
    """A role names a permission that no model declares."""


@transaction.atomic
def apply() -> dict[str, int]:
    """Make the groups hold exactly the permissions of the table; may be run again at any time. Role → how many."""
    known = _known(set().union(*ROLES.values()))
    for role, names in ROLES.items():
        group, _created = Group.objects.get_or_create(name=role)
        group.permissions.set(known[name] for name in names)
    return {role: len(names) for role, names in ROLES.items()}


@transaction.atomic
def enrol(user: User, role: str, channels: Iterable[Channel] = ()) -> None:
    """Make a person staff of one role who looks at these channels and no others."""
    user.is_staff = True
    user.save(update_fields=["is_staff"])
    user.groups.set([Group.objects.get(name=role)])
    grant(user, channels)


@transaction.atomic
def grant(user: User, channels: Iterable[Channel]) -> None:
    """Let a person see exactly these channels."""
    wanted = {channel.pk: channel for channel in channels}
    held = {channel.pk: channel for channel in granted(user)}
    for key in wanted.keys() - held.keys():
        assign_perm("sync.view_channel", user, wanted[key])
    for key in held.keys() - wanted.keys():
        remove_perm("sync.view_channel", user, held[key])


def granted(user: User):
    """The channels granted to a person themselves."""
    return get_objects_for_user(
        user, "sync.view_channel", Channel, use_groups=False, with_superuser=False, accept_global_perms=False
    )


def _known(names: set[str]) -> dict[str, Permission]:
    codenames = {name.partition(".")[2] for name in names}
    found = Permission.objects.filter(codename__in=codenames).select_related("content_type")
    known = {f"{each.content_type.app_label}.{each.codename}": each for each in found}
    if missing := sorted(names - known.keys()):
        raise UnknownPermission(", ".join(missing))
    return known

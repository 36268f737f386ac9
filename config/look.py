"""How the admin looks and what its side bar offers; read by unfold from the settings."""

from django.templatetags.static import static
from django.urls import reverse_lazy
from django.utils.translation import gettext_lazy as _


def _may(permission: str):
    return lambda request: request.user.has_perm(permission)


def _page(title, icon: str, app: str, model: str) -> dict:
    return {
        "title": title,
        "icon": icon,
        "link": reverse_lazy(f"admin:{app}_{model}_changelist"),
        "permission": _may(f"{app}.view_{model}"),
    }


def _is_tracing(request) -> bool:
    return request.path.startswith("/admin/sync/event/") and request.path.endswith("/trace/")


def _is_events(request) -> bool:
    return request.path.startswith("/admin/sync/event/") and not _is_tracing(request)


def _group(title, *items: dict, collapsible: bool = False) -> dict:
    return {"title": title, "separator": True, "collapsible": collapsible, "items": list(items)}


COCKPIT = {
    "title": _("Dashboard"),
    "icon": "monitoring",
    "link": reverse_lazy("dashboard"),
    "permission": _may("config.view_dashboard"),
}
NAVIGATION = [
    _group(
        _("Members"),
        _page(_("Members"), "person", "members", "member"),
        _page(_("Identities"), "fingerprint", "members", "identity"),
        _page(_("Sessions"), "devices", "members", "session"),
        _page(_("Link cases"), "compare_arrows", "members", "linkcase"),
        _page(_("Merges"), "merge", "members", "merge"),
        _page(_("Freezes"), "block", "members", "freeze"),
        _page(_("Requests for approval"), "approval", "members", "request"),
        _page(_("Privacy requests"), "shield_person", "members", "privacyrequest"),
        _page(_("Consents"), "verified_user", "members", "consent"),
        _page(_("Messages in WeChat"), "notifications", "members", "membernotice"),
        _page(_("Message templates"), "edit_notifications", "members", "noticetemplate"),
    ),
    _group(
        _("Orders"),
        _page(_("Orders"), "receipt_long", "orders", "order"),
        _page(_("Parcels"), "local_shipping", "orders", "shipment"),
        _page(_("Ship by spreadsheet"), "upload_file", "orders", "shippingfile"),
        _page(_("Payments"), "payments", "orders", "payment"),
        _page(_("Payment cases"), "rule", "orders", "paymentcase"),
        _page(_("Refunds"), "currency_exchange", "orders", "refund"),
        _page(_("Shipping told to WeChat"), "forward_to_inbox", "orders", "shippingupload"),
        _page(_("Manual work"), "pan_tool", "orders", "intervention"),
        _page(_("Trade bills"), "request_quote", "orders", "bill"),
    ),
    _group(
        _("Points"),
        _page(_("Accounts"), "account_balance_wallet", "loyalty", "account"),
        _page(_("Entries"), "list_alt", "loyalty", "entry"),
        _page(_("Lots"), "layers", "loyalty", "lot"),
        _page(_("Holds"), "lock_clock", "loyalty", "hold"),
        _page(_("Purchases"), "shopping_bag", "loyalty", "purchase"),
        _page(_("Adjustments"), "exposure", "loyalty", "adjustment"),
        _page(_("Adjustment files"), "upload_file", "loyalty", "adjustmentfile"),
        _page(_("Points to let through"), "approval", "loyalty", "waitinglot"),
        _page(_("Adjustment reasons"), "category", "loyalty", "reason"),
        _page(_("Points programme"), "gavel", "loyalty", "programme"),
        _page(_("Tiers"), "workspace_premium", "loyalty", "tier"),
        _page(_("Tier changes"), "swap_vert", "loyalty", "tierchange"),
        _page(_("Earn rules"), "percent", "loyalty", "earnrule"),
    ),
    _group(
        _("Sync"),
        {
            "title": _("Follow a message"),
            "icon": "conversion_path",
            "link": reverse_lazy("admin:sync_event_trace"),
            "permission": _may("sync.view_event"),
            "active": _is_tracing,
        },
        _page(_("Events"), "bolt", "sync", "event") | {"active": _is_events},
        _page(_("Deliveries"), "outbox", "sync", "delivery"),
        _page(_("Attempts"), "history", "sync", "attempt"),
        _page(_("Replays"), "replay", "sync", "replay"),
        _page(_("Inbox"), "inbox", "sync", "inboxmessage"),
    ),
    _group(
        _("Cockpit"),
        COCKPIT,
        _page(_("Alerts"), "notifications", "sync", "alert"),
        _page(_("Discrepancies"), "difference", "sync", "discrepancy"),
        _page(_("Reconciliations"), "fact_check", "sync", "reconciliationrun"),
    ),
    _group(
        _("Settings"),
        _page(_("Channels"), "hub", "sync", "channel"),
        _page(_("Endpoints"), "webhook", "sync", "endpoint"),
        _page(_("Channel keys"), "key", "sync", "channelkey"),
        _page(_("Sharing groups"), "share", "sync", "sharinggroup"),
        _page(_("Alert rules"), "tune", "sync", "alertrule"),
        _page(_("Policies"), "policy", "members", "policy"),
        _page(_("Order terms"), "schedule", "orders", "orderterms"),
        _page(_("Carriers"), "local_post_office", "orders", "carrier"),
        _page(_("Merchants"), "storefront", "orders", "merchant"),
        _page(_("Staff"), "badge", "auth", "user"),
        _page(_("Roles"), "groups", "auth", "group"),
    ),
]
TEA = {  # the hub's green, from paper to ink
    "50": "#f2f7f4",
    "100": "#e1ebe5",
    "200": "#c5d9ce",
    "300": "#9fbfb0",
    "400": "#6f9d8a",
    "500": "#56947f",
    "600": "#2f5d50",
    "700": "#284f44",
    "800": "#213f37",
    "900": "#1b332d",
    "950": "#0e1d19",
}
UNFOLD = {
    "SITE_TITLE": _("Member hub"),
    "SITE_HEADER": _("Member hub"),
    "SITE_SUBHEADER": _("Members, orders and points"),
    "SITE_URL": None,
    "SITE_ICON": lambda request: static("hub/mark.svg"),
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": lambda request: static("hub/mark.svg")}],
    "STYLES": [lambda request: static("hub/admin.css")],
    "SCRIPTS": [lambda request: static("hub/focus.js")],
    "LOGIN": {"image": lambda request: static("hub/login.svg"), "form": "config.signing_in.SignInForm"},
    "SHOW_LANGUAGES": True,
    "SHOW_HISTORY": False,
    "SHOW_VIEW_ON_SITE": False,
    "SHOW_BACK_BUTTON": True,
    "BORDER_RADIUS": "8px",
    "COLORS": {"primary": TEA},
    "SIDEBAR": {"show_search": False, "show_all_applications": False, "navigation": NAVIGATION},
}

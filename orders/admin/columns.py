"""Columns and filters that pages of the order book share."""

from django.contrib import admin
from django.contrib.auth.models import User
from django.db.models import CharField, OuterRef, Subquery, Value
from django.db.models.functions import Cast, Coalesce, Concat, NullIf, Trim
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from orders import queries, rules
from orders.models import Order
from orders.rules import Status
from sync.admin import shown
from sync.models import Channel

STATUS_TONES = {
    **dict.fromkeys([Status.PENDING_PAYMENT, Status.PAID, Status.PARTIALLY_SHIPPED, Status.SHIPPED], shown.BUSY),
    **dict.fromkeys([Status.DELIVERED, Status.COMPLETED], shown.GOOD),
    Status.REFUNDING: shown.BAD,
}
STATE_TONES = {
    **dict.fromkeys(["requested", "processing", "unclear", "sending", "wanted", "partial", "problem"], shown.BUSY),
    **dict.fromkeys(["done", "sent", "delivered", "completed", "followed", "reopen", "shipped"], shown.GOOD),
    **dict.fromkeys(["failed", "refused", "returned", "returning", "wrong"], shown.BAD),
}
PROVIDERS = {"wechat_pay": gettext_lazy("WeChat Pay"), "offline": gettext_lazy("Offline")}
SYSTEM = gettext_lazy("By itself")


def status_of(order: Order) -> Status:
    """The one word for an order's three states."""
    states = (order.payment_status, order.fulfilment_status, order.refund_status)
    return rules.status(*states, is_refunding=order.open_refunds > 0)


def status(order: Order) -> str:
    """That, as a badge."""
    word = status_of(order)
    return shown.tag(word.label, STATUS_TONES.get(word, shown.QUIET))


def state(row, field: str = "state") -> str:
    """A state as a badge in the tone of orders."""
    value = getattr(row, field)
    return shown.tag(getattr(row, f"get_{field}_display")(), STATE_TONES.get(value, shown.QUIET)) if value else "–"


def provider(code: str) -> str:
    """Who moved money, in words; a channel's own by its code."""
    return str(PROVIDERS.get(code, code or shown.EMPTY))


class Names:
    """Who is behind actors (`staff/3`, `channel/website`) as colleagues call them: two queries, however many."""

    def __init__(self, actors):
        known = {each for each in actors if each}
        staff = {each.partition("/")[2] for each in known if each.startswith("staff/")}
        users = User.objects.filter(pk__in=[each for each in staff if each.isdecimal()])
        self.staff = {str(each.pk): each.get_full_name() or each.username for each in users} if staff else {}
        codes = {each.partition("/")[2] for each in known if each.startswith("channel/")}
        named = Channel.objects.filter(code__in=codes).values_list("code", "name") if codes else ()
        self.channels = dict(named)

    def of(self, actor: str) -> str:
        """The name, or what kind of actor it is."""
        kind, _slash, key = actor.partition("/")
        match kind:
            case "staff":
                return self.staff.get(key, _("Staff"))
            case "channel":
                return self.channels.get(key, key)
            case "member":
                return _("Member")
            case "provider":
                return provider(key)
        return str(SYSTEM)


def naming(*fields: str) -> dict:
    """Annotations by which a list knows the staff behind its actors: `<field>_name`."""
    staff = User.objects.annotate(actor=Concat(Value("staff/"), Cast("pk", CharField())))
    full = Trim(Concat("first_name", Value(" "), "last_name"))
    named = Coalesce(NullIf(full, Value("")), "username", output_field=CharField())
    return {f"{field}_name": Subquery(staff.filter(actor=OuterRef(field)).values(found=named)[:1]) for field in fields}


def person(field: str, label):
    """A column of an actor, of a list that is annotated by `naming`."""

    def show(row):
        actor = getattr(row, field)
        return getattr(row, f"{field}_name") or NOBODY.of(actor) if actor else shown.EMPTY

    return shown.computed(field, label, show)


NOBODY = Names(())


class ByStatus(admin.SimpleListFilter):
    """Orders by the one word that people use."""

    title, parameter_name = gettext_lazy("status"), "status"

    def lookups(self, request, model_admin):
        return Status.choices

    def queryset(self, request, queryset):
        return queries.with_status(queryset, self.value()) if self.value() else queryset

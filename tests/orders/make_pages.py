"""Pages of manual work, as a browser asks for them."""

from django.urls import reverse

from orders.models import Order
from sync.ids import uuid7


def page(order: Order) -> str:
    """An order's page."""
    return reverse("admin:orders_order_change", args=[order.pk])


def work(order: Order, name: str, of=None) -> str:
    """The page of a piece of manual work."""
    found = reverse("admin:orders_order_do", args=[order.pk, name])
    return f"{found}?of={of.pk}" if of else found


def do(browser, order: Order, name: str, *, of=None, is_sure: bool = True, **given):
    """Send the form of a piece of manual work, as it was shown just now."""
    seen = given.pop("seen", None)
    known = {"id": uuid7(), "seen": order.version if seen is None else seen, "reason": "顾客来电"}
    sure = {"sure": "1"} if is_sure else {}
    return browser.post(work(order, name, of), {str(key): value for key, value in (known | given | sure).items()})


def said(answer) -> str:
    """What a page says."""
    return answer.content.decode()


def refusals(answer) -> list[str]:
    """What a form refuses, in words."""
    return [str(each) for errors in answer.context["form"].errors.values() for each in errors]

"""Messages to the buyer about an order: by WeChat where they accepted them, by text message where the terms say so."""

from members import notices
from orders import terms
from orders.models import Order


def tell_buyer(order: Order, occasion: str, reference: str, values: dict[str, str]) -> None:
    """Have the buyer told, once per occasion and reference, as a part of the act at hand. Guests and history are not.

    Whether a text message may take the place of WeChat's is in the terms of the channel the order was placed on.
    """
    if order.member_id and not order.is_history:
        by_sms = terms.of(order.channel).falls_back_to_sms
        notices.notify(order.member_id, occasion, reference, values, by_sms=by_sms)

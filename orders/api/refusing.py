"""What every move of an order may meet, in the words of the contract."""

from contextlib import contextmanager

from orders import services
from orders.payments import wechat_pay
from sync.http import Problem


@contextmanager
def refusals():
    """An order past the point, money on its way, a provider that is away: as problems."""
    try:
        yield
    except services.WrongState as error:
        raise Problem("order_state", error) from error
    except services.InProgress as error:
        raise Problem("payment_in_progress", error) from error
    except (wechat_pay.Unavailable, wechat_pay.Refused) as error:
        raise Problem("wechat_unavailable", retry_after=5) from error

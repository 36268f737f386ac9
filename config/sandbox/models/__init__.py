"""What stands around the hub in the sandbox, as it stood: nothing of it is in clear, as in the hub itself.

The stand-ins share no row with the hub: what WeChat, WeChat Pay and a channel's backend know of it was told to them
by the seed, as it would be told by hand.
"""

from config.sandbox.models.around import Parcel, Subscription, TextMessage, TextNotice
from config.sandbox.models.house import Backend, Fault, Mark, Received
from config.sandbox.models.paying import PayAccount, PlatformCertificate, Trade, TradeRefund
from config.sandbox.models.wechat import App, Person, Shipping, ShippingTold, SubscribeMessage, WechatCode, WechatUser

__all__ = [
    "App",
    "Backend",
    "Fault",
    "Mark",
    "Parcel",
    "PayAccount",
    "Person",
    "PlatformCertificate",
    "Received",
    "Shipping",
    "ShippingTold",
    "SubscribeMessage",
    "Subscription",
    "TextMessage",
    "TextNotice",
    "Trade",
    "TradeRefund",
    "WechatCode",
    "WechatUser",
]

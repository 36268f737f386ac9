"""The carriers everybody here knows: what a new hub begins with. Staff add others and change these in the admin.

快递100's code, name, name in English, WeChat's delivery id (empty: WeChat has none that we know), other names.
"""

from collections.abc import Iterator

EXPRESS = [
    ("shunfeng", "顺丰速运", "SF Express", "SF", ["顺丰", "顺丰快递", "sf-express", "sfexpress"]),
    ("shunfengkuaiyun", "顺丰快运", "SF Freight", "", []),
    ("zhongtong", "中通快递", "ZTO Express", "ZTO", ["中通", "中通速递"]),
    ("zhongtongkuaiyun", "中通快运", "ZTO Freight", "", []),
    ("yuantong", "圆通速递", "YTO Express", "YTO", ["圆通", "圆通快递"]),
    ("shentong", "申通快递", "STO Express", "STO", ["申通"]),
    ("yunda", "韵达快递", "Yunda Express", "YD", ["韵达", "韵达速递", "yundaex"]),
    ("jtexpress", "极兔速递", "J&T Express", "JTSD", ["极兔", "极兔快递", "jt", "j&t"]),
    ("jd", "京东物流", "JD Logistics", "JD", ["京东", "京东快递", "jdl"]),
    ("ems", "EMS", "EMS", "EMS", ["邮政特快专递", "邮政ems", "邮政速递"]),
    ("youzhengguonei", "邮政快递包裹", "China Post Parcel", "YZPY", ["邮政", "中国邮政", "邮政包裹", "chinapost"]),
    ("youzhengbk", "邮政标准快递", "China Post Standard", "", []),
    ("debangkuaidi", "德邦快递", "Deppon Express", "DBL", ["德邦", "deppon"]),
    ("debangwuliu", "德邦物流", "Deppon Logistics", "", []),
    ("huitongkuaidi", "百世快递", "Best Express", "HTKY", ["百世", "汇通快递", "百世汇通"]),
    ("tiantian", "天天快递", "TTK Express", "HHTT", ["天天"]),
    ("youshuwuliu", "优速快递", "UC Express", "UC", ["优速"]),
    ("zhaijisong", "宅急送", "ZJS Express", "ZJS", []),
    ("annengwuliu", "安能快运", "ANE Logistics", "", ["安能", "安能物流", "ane"]),
    ("kuayue", "跨越速运", "KYE", "KYSY", ["跨越"]),
    ("danniao", "菜鸟速递", "Cainiao Express", "", ["丹鸟", "丹鸟物流"]),
    ("fengwang", "丰网速运", "Fengwang Express", "", ["丰网"]),
    ("suning", "苏宁物流", "Suning Logistics", "", ["苏宁"]),
    ("jiuyescm", "九曳供应链", "Jiuye SCM", "", ["九曳"]),
    ("xinfengwuliu", "信丰物流", "Xinfeng Logistics", "", ["信丰"]),
    ("suer", "速尔快递", "Sure Express", "", ["速尔"]),
    ("guotongkuaidi", "国通快递", "GTO Express", "", ["国通"]),
    ("dhl", "DHL", "DHL", "", ["dhl中国", "敦豪"]),
    ("fedex", "FedEx", "FedEx", "", ["联邦快递"]),
    ("ups", "UPS", "UPS", "", ["联合包裹"]),
]
OTHERS = [
    ("virtual", "无需物流", "Nothing to carry", ["虚拟发货", "虚拟商品", "无需发货"]),
    ("pickup", "到店自提", "Collected by the buyer", ["自提", "self-pickup", "self_pickup"]),
    ("local", "同城配送", "City delivery", ["商家配送", "同城", "city_delivery"]),
]
CITY = [
    ("shunfengtongcheng", "顺丰同城", "SF Intra-city", ["顺丰同城急送"]),
    ("dada", "达达", "Dada", ["达达快送", "达达配送"]),
    ("shansong", "闪送", "FlashEx", []),
    ("meituanpeisong", "美团配送", "Meituan Delivery", ["美团"]),
]
NEED_PHONE = {"shunfeng", "shunfengkuaiyun", "zhongtong"}  # they tell only whoever knows a phone's last four digits


def rows() -> Iterator[dict]:
    """The fields of each."""
    for code, name, name_en, wechat_code, aliases in EXPRESS:
        known = {"code": code, "name": name, "name_en": name_en, "wechat_code": wechat_code, "aliases": aliases}
        yield known | {"kind": "express", "needs_phone": code in NEED_PHONE}
    for code, name, name_en, aliases in OTHERS:
        yield {"code": code, "name": name, "name_en": name_en, "kind": code, "aliases": aliases}
    for code, name, name_en, aliases in CITY:
        yield {"code": code, "name": name, "name_en": name_en, "kind": "local", "aliases": aliases}

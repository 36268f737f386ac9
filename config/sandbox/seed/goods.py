"""What the brand sells."""

from typing import NamedTuple


class Good(NamedTuple):
    sku: str
    name: str
    price_fen: int


GOODS = [
    Good("TEA-001", "武夷山正山小种 100g", 12_800),
    Good("TEA-002", "西湖龙井 明前 50g", 26_800),
    Good("TEA-003", "云南古树普洱 357g", 39_900),
    Good("TEA-004", "安溪铁观音 250g", 16_800),
    Good("TEA-005", "福鼎白茶 寿眉 200g", 9_900),
    Good("TEA-006", "茉莉花茶 150g", 5_990),
    Good("CUP-001", "景德镇白瓷盖碗", 18_800),
    Good("CUP-002", "汝窑品茗杯", 8_850),
    Good("CUP-003", "紫砂壶 西施 160ml", 68_000),
    Good("CUP-004", "耐热玻璃公道杯", 4_590),
    Good("SET-001", "旅行茶具套装", 23_900),
    Good("SET-002", "新年茶礼盒", 58_800),
    Good("CAK-001", "绿豆糕 12 枚", 3_880),
    Good("CAK-002", "凤梨酥 10 枚", 4_990),
    Good("BAG-001", "帆布茶袋", 2_950),
    Good("TRY-001", "试饮装 3g × 1", 90),
]

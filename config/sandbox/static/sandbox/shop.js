/** The brand's little shop: what both channels sell, and the people who visit it. */
export const PRODUCTS = [
  {
    sku: "GW-01",
    icon: "bowl",
    price_fen: 19900,
    name: { zh: "手作青瓷盖碗", en: "Celadon gaiwan" },
    note: { zh: "龙泉青瓷 · 150 ml", en: "Longquan celadon · 150 ml" },
  },
  {
    sku: "LJ-50",
    icon: "leaf",
    price_fen: 26800,
    name: { zh: "明前龙井", en: "Longjing, first flush" },
    note: { zh: "西湖产区 · 50 g", en: "West Lake · 50 g" },
  },
  {
    sku: "WL-12",
    icon: "tin",
    price_fen: 8800,
    name: { zh: "桂花乌龙", en: "Osmanthus oolong" },
    note: { zh: "三角茶包 · 12 枚", en: "12 sachets" },
  },
];

const NAMES = [
  { zh: "林晓", en: "Lin Xiao" },
  { zh: "陈屿", en: "Chen Yu" },
  { zh: "周棠", en: "Zhou Tang" },
  { zh: "许知夏", en: "Xu Zhixia" },
  { zh: "沈之恒", en: "Shen Zhiheng" },
  { zh: "顾南乔", en: "Gu Nanqiao" },
  { zh: "陆青野", en: "Lu Qingye" },
  { zh: "叶清和", en: "Ye Qinghe" },
];
const PREFIXES = ["138", "139", "150", "158", "186", "188"];
const PLACE = "hub.sandbox.people";
const any = (list) => list[Math.floor(Math.random() * list.length)];

/** The person in front of both screens: one phone, one WeChat account. Kept in this browser only. */
export class People {
  constructor(storage = localStorage) {
    this.storage = storage;
    this.all = JSON.parse(storage.getItem(PLACE) ?? "[]");
    if (!this.all.length) this.next();
  }

  get current() {
    return this.all[0];
  }

  next() {
    const phone = any(PREFIXES) + String(Math.floor(Math.random() * 1e8)).padStart(8, "0");
    this.all = [{ name: any(NAMES), phone, wechat: null }, ...this.all].slice(0, 6);
    this.#save();
    return this.current;
  }

  /** @param {Partial<{phone: string, wechat: any}>} fields */
  change(fields, person = this.current) {
    Object.assign(person, fields);
    this.#save();
  }

  #save() {
    this.storage.setItem(PLACE, JSON.stringify(this.all));
  }
}

/** Whole yuan, rounded up: what is still missing is never told too small. */
export const yuan = (fen) => `¥${Math.ceil(fen / 100).toLocaleString("en")}`;
export const money = (fen) => `${fen < 0 ? "−" : ""}¥${(Math.abs(fen) / 100).toFixed(2)}`;

/** Pieces that both frames show, each in its own dress. */
import { h, svg } from "./dom.js";
import { money, PRODUCTS, yuan } from "./shop.js";
import { current, has, t } from "./words.js";

const ICONS = {
  leaf: ["M20 4C10 4 4 9 4 16c0 1.500.3 3 1 4 8 0 15-5 15-16Z", "M5 20C8 14 12 10 16 8"],
  bowl: [
    "M4 10h16c0 5-3 8-8 8s-8-3-8-8Z",
    "M9 18v2h6v-2",
    "M6.500 10c0-3 2.500-4.500 5.500-4.500s5.500 1.500 5.500 4.500",
    "M12 5.500V4",
  ],
  tin: ["M6 7h12v13H6z", "M6 7c0-2 2-3 6-3s6 1 6 3", "M9 12h6v4H9z"],
  lock: ["M7 11V8a5 5 0 0 1 10 0v3", "M6 11h12v9H6z"],
  pencil: ["M4 20l1-4L16 5l3 3L8 19l-4 1Z", "M14 7l3 3"],
  check: ["M5 12.500l4.500 4.500L19 7.500"],
  link: [
    "M10 14a4 4 0 0 0 6 .4l3-3a4 4 0 0 0-5.700-5.700l-1.200 1.200",
    "M14 10a4 4 0 0 0-6-.4l-3 3a4 4 0 0 0 5.700 5.700l1.200-1.200",
  ],
  screen: ["M4 5h16v11H4z", "M9 20h6", "M12 16v4"],
  phone: ["M8 3h8a1 1 0 0 1 1 1v16a1 1 0 0 1-1 1H8a1 1 0 0 1-1-1V4a1 1 0 0 1 1-1Z", "M11 18h2"],
  play: ["M8 5.500v13l10.500-6.500Z"],
  stop: ["M7 7h10v10H7z"],
  swap: ["M4 9h14l-3.500-3.500", "M20 15H6l3.500 3.500"],
  person: ["M12 12a4 4 0 1 0 0-8 4 4 0 0 0 0 8Z", "M5 20c.5-4 3.500-5.500 7-5.500s6.500 1.500 7 5.500"],
  arrow: ["M5 12h14", "M14 7l5 5-5 5"],
  more: ["M6 12h.01", "M12 12h.01", "M18 12h.01"],
  ring: ["M12 19a7 7 0 1 0 0-14 7 7 0 0 0 0 14Z", "M12 13.500a1.500 1.500 0 1 0 0-3 1.500 1.500 0 0 0 0 3Z"],
};

export const icon = (name, className = "icon") => svg("0 0 24 24", ICONS[name], className);
export const short = (channel) => (channel === "mini-program" ? "mini" : channel);
export const id = (side, name) => `${short(side.channel)}-${name}`;

/** The green isle of the brand, at the foot of its quiet pages. */
export const hills = () =>
  svg(
    "0 0 600 150",
    [
      "M0 150V96C70 58 130 44 196 74s120 44 190 6 140-46 214-10v80Z",
      "M0 150v-26c90-34 168-30 248-8s150 18 226-4 90-14 126-4v42Z",
    ],
    "hills",
  );

/** A submit that stays on the page, with the form's fields by name. */
export const submits = (work) => (event) => {
  event.preventDefault();
  work(Object.fromEntries(new FormData(event.currentTarget)));
};

export function connection(side) {
  const state = side.client.signedIn ? side.connection : "closed";
  return h("span.connection", { testid: id(side, "connection"), "data-state": state }, h("i", null), t(state));
}

export function told(side) {
  const text = side.error || side.notice;
  const kind = side.error ? "error" : "notice";
  return h(
    "div.told",
    { role: "alert", key: "told", testid: id(side, "error"), "data-kind": text ? kind : "none" },
    text,
  );
}

export function recognised(side) {
  if (!side.isShared) return null;
  return h(
    "div.recognised",
    { key: "recognised", testid: id(side, "recognised"), role: "status" },
    icon("link"),
    h(
      "div",
      null,
      h("strong", null, t("recognised")),
      h("span", null, t("recognised_note", { number: side.me.number })),
    ),
  );
}

export function nickname(side) {
  if (!side.editing) {
    return h(
      "div.name",
      { key: "name" },
      h("h2", { testid: id(side, "nickname"), flash: side.me.nickname }, side.me.nickname || t("no_name")),
      h(
        "button.iconic",
        {
          type: "button",
          testid: id(side, "nickname-edit"),
          "aria-label": t("edit"),
          title: t("edit"),
          onclick: () => side.set({ editing: true }),
        },
        icon("pencil"),
      ),
    );
  }
  return h(
    "form.name",
    { key: "name-form", onsubmit: submits(({ nickname: name }) => side.rename(name.trim())) },
    h("input", {
      name: "nickname",
      testid: id(side, "nickname-input"),
      "aria-label": t("nickname"),
      maxlength: 32,
      required: true,
      focus: true,
      value: side.me.nickname ?? "",
      onkeydown: ({ key }) => key === "Escape" && side.set({ editing: false }),
    }),
    h("button.primary", { testid: id(side, "nickname-save"), disabled: side.busy === "rename" }, t("save")),
  );
}

/** What may be spent, and what is still to come: points of an order wait until its goods can no longer come back. */
export function points(side) {
  const { available = 0, pending = 0 } = side.points ?? {};
  return [
    h(
      "strong.figure",
      { testid: id(side, "points"), "data-value": available, flash: `${available}` },
      available.toLocaleString("en"),
    ),
    h(
      "small",
      { testid: id(side, "points-pending"), "data-value": pending, flash: `${pending}` },
      pending > 0 ? t("points_pending", { n: pending.toLocaleString("en") }) : t("points_note"),
    ),
  ];
}

/** A seeded tier in the reader's language; one that was added since under its own name. */
export const tierName = (code, name = code) => (has(`tier.${code}`) ? t(`tier.${code}`) : name);

export function tier(side) {
  const held = side.points?.tier;
  const next = held?.next;
  const share = next ? held.qualifying / Math.max(1, held.qualifying + next.missing) : held ? 1 : 0;
  const bar = h("i", null);
  bar.style.width = `${Math.round(share * 100)}%`;
  const missing = next && { name: tierName(next.code), n: yuan(next.missing) };
  const note = next ? t("tier_next", missing) : held ? t("tier_top") : "";
  return [
    h("strong.tier", { testid: id(side, "tier"), flash: held?.code ?? "" }, tierName(held?.code, held?.name ?? "—")),
    h("div.progress", { "aria-hidden": "true" }, bar),
    h("small", null, note),
  ];
}

export function orders(side) {
  const newest = [...side.orders.values()].sort((a, b) => b.placed_at.localeCompare(a.placed_at)).slice(0, 8);
  return h(
    "section.orders",
    { key: "orders", "aria-label": t("orders") },
    h("h3", null, t("orders")),
    newest.length ? null : h("p.empty", { key: "empty" }, t("orders_empty")),
    h(
      "ul",
      { testid: id(side, "orders"), key: "list" },
      newest.map((order) => orderRow(side, order)),
    ),
  );
}

function orderRow(side, order) {
  const sold = PRODUCTS.find(({ sku }) => sku === order.lines[0]?.sku);
  const payable = order.status === "pending_payment";
  return h(
    "li.order",
    { key: order.number, testid: "order", "data-number": order.number, "data-status": order.status },
    h("span.picture", null, icon(sold?.icon ?? "leaf")),
    h(
      "div.what",
      null,
      h("strong", null, sold ? sold.name[current()] : order.lines[0]?.name),
      h("small", null, `${moment(order.placed_at)} · ${t("placed_on", { channel: placedOn(order.channel) })}`),
      h("small.number", null, order.number),
    ),
    h(
      "div.state",
      null,
      h("strong.money", null, money(order.total_fen)),
      h(
        "span.status",
        { "data-status": order.status, flash: order.status },
        has(order.status) ? t(order.status) : order.status_label,
      ),
      order.points_earned > 0 && h("small.plus", null, t("earned", { n: order.points_earned })),
      payable &&
        h(
          "button.pay",
          { type: "button", testid: id(side, "pay"), disabled: side.busy === "pay", onclick: () => side.pay(order) },
          t("pay"),
        ),
    ),
  );
}

const placedOn = (channel) => (has(channel) ? (current() === "en" ? t(channel).toLowerCase() : t(channel)) : channel);

const shanghai = (options, time) =>
  new Intl.DateTimeFormat(current() === "zh" ? "zh-CN" : "en-GB", { timeZone: "Asia/Shanghai", ...options }).format(
    time,
  );

/** The time in Shanghai, with the day unless it is today. */
export function moment(time) {
  const day = (when) => shanghai({ month: "2-digit", day: "2-digit" }, when);
  const [then, now] = [new Date(time), new Date()];
  const clock = shanghai({ hour: "2-digit", minute: "2-digit", hour12: false }, then);
  return day(then) === day(now) ? clock : `${day(then)} ${clock}`;
}

export function shop(side) {
  const product = (item, index) =>
    h(
      "label.product",
      { key: item.sku, "data-chosen": side.chosen === index ? "yes" : "no" },
      h("input", {
        type: "radio",
        name: id(side, "product"),
        checked: side.chosen === index,
        onchange: () => side.set({ chosen: index }),
      }),
      h("span.picture", null, icon(item.icon)),
      h("span.what", null, h("strong", null, item.name[current()]), h("small", null, item.note[current()])),
      h("span.money", null, money(item.price_fen)),
    );
  const chosen = PRODUCTS[side.chosen];
  return h(
    "section.shop",
    { key: "shop", "aria-label": t("shop") },
    h("h3", null, t("shop")),
    h("div.products", { role: "radiogroup", "aria-label": t("shop") }, PRODUCTS.map(product)),
    h(
      "button.primary.wide",
      { type: "button", testid: id(side, "order"), disabled: side.busy === "order", onclick: () => side.order(chosen) },
      `${t("order")} · ${money(chosen.price_fen)}`,
    ),
  );
}

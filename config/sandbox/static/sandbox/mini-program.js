/** The WeChat mini-program in a phone frame: WeChat sign-in, the phone component, the member's page. */
import { agreement, consent } from "./agreement.js";
import { h } from "./dom.js";
import * as pieces from "./pieces.js";
import { icon } from "./pieces.js";
import { money } from "./shop.js";
import { current, t } from "./words.js";

/** @param {import("./side.js").Side} side */
export function miniProgram(side) {
  return [
    h(
      "div.bar",
      { key: "bar", "aria-hidden": "true" },
      h("span", null, pieces.moment(new Date())),
      h("span.island"),
      h("span.battery", null, h("i")),
    ),
    h(
      "div.mini-head",
      { key: "head" },
      pieces.connection(side),
      h("b", null, t("mini_title")),
      h("span.capsule", { "aria-hidden": "true" }, icon("more"), icon("ring")),
    ),
    h("div.mini-page", { key: "page", inert: Boolean(side.sheet) }, page(side)),
    side.me ? null : pieces.hills(),
    sheet(side),
    h("div.home", { key: "home", "aria-hidden": "true" }),
  ];
}

function page(side) {
  if (side.consent) return consent(side);
  if (side.me) return account(side);
  return side.client.signedIn ? h("div.skeleton", { key: "skeleton" }) : welcome(side);
}

function welcome(side) {
  return h(
    "div.welcome",
    { key: "welcome" },
    h("span.mark", null, icon("leaf")),
    h("h2", null, t("mini_welcome")),
    h("p", null, t("mini_welcome_note")),
    pieces.told(side),
    h(
      "button.wechat.wide",
      { type: "button", testid: "mini-sign-in", disabled: Boolean(side.busy), onclick: () => side.signInByWechat() },
      t("mini_sign_in"),
    ),
    agreement(side),
    h(
      "p.sandbox-hint",
      null,
      h("b", null, t("sandbox")),
      t("mini_user", { name: side.people.current.name[current()] }),
    ),
  );
}

function account(side) {
  return h(
    "div.account",
    { key: "account" },
    pieces.recognised(side),
    pieces.told(side),
    h(
      "div.membership",
      { key: "card" },
      h(
        "div.who",
        null,
        h("span.avatar", { "aria-hidden": "true" }, (side.me.nickname || t("brand")).slice(0, 1)),
        h(
          "div",
          { key: "of" },
          pieces.nickname(side),
          h(
            "p.facts",
            null,
            h("b", { testid: "mini-member-number" }, side.me.number),
            h("span", { testid: "mini-member-phone" }, side.me.phone),
          ),
        ),
      ),
      h(
        "div.tiles",
        null,
        h("div.tile", null, h("span", null, t("points")), pieces.points(side)),
        h("div.tile", null, h("span", null, t("tier")), pieces.tier(side)),
      ),
    ),
    !side.me.phone && bind(side),
    side.orders.size ? [pieces.orders(side), pieces.shop(side)] : [pieces.shop(side), pieces.orders(side)],
    h(
      "button.plain",
      { key: "out", type: "button", testid: "mini-sign-out", onclick: () => side.signOut() },
      t("sign_out"),
    ),
  );
}

function bind(side) {
  return h(
    "div.bind",
    { key: "bind" },
    icon("phone"),
    h("span", null, t("bind_title")),
    h(
      "button.wechat",
      { type: "button", testid: "mini-bind-phone", onclick: () => side.set({ sheet: "phone", error: "" }) },
      t("bind"),
    ),
  );
}

function sheet(side) {
  if (side.sheet === "phone") return phoneSheet(side);
  return side.sheet === "payment" && side.payment ? paySheet(side) : null;
}

function drawer(side, name, label, ...children) {
  const close = () => side.set({ sheet: "", payment: null });
  return h(
    "div.shade",
    {
      key: name,
      onkeydown: ({ key }) => key === "Escape" && close(),
      onclick: ({ target, currentTarget }) => target === currentTarget && close(),
    },
    h(
      "div.drawer",
      { role: "dialog", "aria-modal": "true", "aria-label": label, testid: `mini-${name}-sheet` },
      ...children,
    ),
  );
}

const masked = (phone) => phone.replace(/^(\d{3})\d{4}(\d{4})$/, "$1****$2");

/** WeChat's own dialog: the number never passes through the mini-program, only a code does. */
function phoneSheet(side) {
  return drawer(
    side,
    "phone",
    t("phone_ask"),
    h("p.asks", null, h("span.mark", null, icon("leaf")), h("b", null, t("mini_title")), ` ${t("phone_ask")}`),
    h(
      "div.number",
      null,
      h("strong", null, masked(side.people.current.phone)),
      h("small", null, t("phone_use")),
      icon("check"),
    ),
    pieces.told(side),
    h(
      "div.choices",
      null,
      h("button.grey", { type: "button", onclick: () => side.set({ sheet: "" }) }, t("deny")),
      h(
        "button.wechat",
        {
          type: "button",
          testid: "mini-phone-allow",
          focus: true,
          disabled: Boolean(side.busy),
          onclick: () => side.bindPhone(),
        },
        t("allow"),
      ),
    ),
  );
}

function paySheet(side) {
  const { payment } = side;
  return drawer(
    side,
    "pay",
    t("pay_title"),
    h("p.asks", null, h("b", null, t("pay_title"))),
    h("strong.figure", null, money(payment.order.total_fen)),
    h("small.number", null, payment.order.number),
    pieces.told(side),
    h(
      "button.wechat.wide",
      {
        type: "button",
        testid: "mini-pay-confirm",
        focus: true,
        disabled: Boolean(side.busy) || payment.done,
        onclick: () => side.confirmPayment(),
      },
      t(payment.done ? "pay_wait" : "pay_simulate"),
    ),
    h("p.sandbox-hint", null, h("b", null, t("sandbox")), t("pay_note")),
  );
}

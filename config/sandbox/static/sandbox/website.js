/** The brand's website in a browser frame: sign-in by text message or WeChat scan, then the account page. */
import { agreement, consent } from "./agreement.js";
import { h } from "./dom.js";
import * as pieces from "./pieces.js";
import { icon, id, submits } from "./pieces.js";
import { qrCode } from "./qr.js";
import { money } from "./shop.js";
import { current, has, t } from "./words.js";

/** @param {import("./side.js").Side} side */
export function website(side) {
  return [
    h(
      "div.chrome",
      { key: "chrome" },
      h("span.dots", { "aria-hidden": "true" }, h("i"), h("i"), h("i")),
      h("span.address", null, icon("lock"), `www.qingyu.example/${side.me ? "account" : "sign-in"}`),
      pieces.connection(side),
    ),
    h(
      "div.site",
      { key: "site", inert: Boolean(side.sheet) },
      head(side),
      h("div.page", { key: "page" }, page(side)),
      side.me ? null : pieces.hills(),
    ),
    side.sheet === "payment" && side.payment ? paySheet(side) : null,
  ];
}

function head(side) {
  return h(
    "div.site-head",
    { key: "head" },
    h("span.brand", null, h("b", null, t("brand")), h("small", null, current() === "zh" ? "QINGYU" : t("brand_line"))),
    h(
      "span.nav",
      { "aria-hidden": "true" },
      ["nav_tea", "nav_ware", "nav_gift"].map((key) => h("span", null, t(key))),
      h("span.here", null, t("nav_account")),
    ),
    side.me &&
      h("button.quiet", { type: "button", testid: "website-sign-out", onclick: () => side.signOut() }, t("sign_out")),
  );
}

function page(side) {
  if (side.consent) return h("div.card.narrow", { key: "consent-card" }, consent(side));
  if (side.me) return account(side);
  return side.client.signedIn ? h("div.skeleton", { key: "skeleton" }) : signIn(side);
}

function signIn(side) {
  const byQr = side.way === "qr";
  const tab = (way, label, testid) =>
    h(
      "button.tab",
      {
        type: "button",
        testid,
        "aria-pressed": String((side.way ?? "phone") === way),
        onclick: () => choose(side, way),
      },
      label,
    );
  return h(
    "div.card.narrow",
    { key: "sign-in" },
    h("h2", null, t("welcome")),
    h("p", null, t("welcome_note")),
    h(
      "div.tabs",
      { role: "group", "aria-label": t("welcome") },
      tab("phone", t("by_phone"), "website-by-phone"),
      tab("qr", t("by_qr"), "website-by-qr"),
    ),
    byQr ? qrForm(side) : phoneForm(side),
  );
}

function choose(side, way) {
  side.set({ way, error: "", unagreed: false });
  if (way === "qr") side.startQr();
}

function phoneForm(side) {
  const { sms, busy } = side;
  const left = sms ? Math.ceil((sms.until - Date.now()) / 1000) : 0;
  const phone = () => document.querySelector('[data-testid="website-phone"]');
  const send = () => phone().reportValidity() && side.sendCode(phone().value.trim());
  return h(
    "form.fields",
    { key: "phone-form", onsubmit: submits(({ code }) => side.signInByPhone(code.trim())) },
    h(
      "label",
      null,
      t("phone"),
      h(
        "span.joined",
        null,
        h("input", {
          name: "phone",
          "aria-label": t("phone"),
          type: "tel",
          inputmode: "tel",
          autocomplete: "tel",
          required: true,
          testid: "website-phone",
          value: side.people.current.phone,
        }),
        h(
          "button.quiet",
          { type: "button", testid: "website-send-code", disabled: busy === "send-code" || left > 0, onclick: send },
          left > 0 ? t("resend", { n: left }) : t("send_code"),
        ),
      ),
    ),
    h(
      "label",
      null,
      t("code"),
      h("input", {
        name: "code",
        inputmode: "numeric",
        autocomplete: "one-time-code",
        required: true,
        testid: "website-code",
        value: sms?.code ?? "",
      }),
    ),
    sms &&
      h(
        "p.sandbox-hint",
        { key: "hint", testid: "website-sms-hint", role: "status" },
        h("b", null, t("sandbox")),
        smsHint(sms),
      ),
    pieces.told(side),
    agreement(side),
    h("button.primary.wide", { testid: "website-sign-in", disabled: !sms || Boolean(busy) }, t("sign_in")),
  );
}

function smsHint({ code, missing }) {
  return code ? t("sms_hint", { code }) : t(missing ? "sms_none" : "sms_wait");
}

function qrForm(side) {
  const people = side.people.all;
  const name = ({ name, wechat }) => `${t("wechat_of", { name: name[current()] })} ${wechat ? "" : t("wechat_new")}`;
  return h(
    "form.fields",
    { key: "qr-form", onsubmit: submits(({ person }) => side.scanQr(people[Number(person)])) },
    h("div.qr", { testid: "website-qr" }, side.qr ? code(side.qr.authorize_url) : h("span", null, t("qr_loading"))),
    h(
      "label",
      null,
      t("qr_user"),
      h(
        "select",
        { name: "person", testid: "website-qr-user" },
        people.map((person, index) => h("option", { value: String(index) }, name(person))),
      ),
    ),
    h("p.sandbox-hint", { key: "hint" }, h("b", null, t("sandbox")), t("qr_note")),
    pieces.told(side),
    agreement(side),
    h("button.primary.wide", { testid: "website-qr-scan", disabled: !side.qr || Boolean(side.busy) }, t("qr_scan")),
  );
}

/** A page address is short enough for a code; one that is not is shown as text. */
function code(text) {
  return text.length > 500 ? h("small", null, text) : qrCode(text, "qr-code");
}

function account(side) {
  return h(
    "div.account",
    { key: "account" },
    pieces.recognised(side),
    pieces.told(side),
    h(
      "div.who",
      { key: "who" },
      h("span.avatar", { "aria-hidden": "true" }, (side.me.nickname || t("brand")).slice(0, 1)),
      h(
        "div",
        { key: "of" },
        pieces.nickname(side),
        h(
          "p.facts",
          null,
          h("span", null, t("member_number"), " ", h("b", { testid: "website-member-number" }, side.me.number)),
          h("span", { testid: "website-member-phone" }, side.me.phone),
        ),
      ),
    ),
    h(
      "div.tiles",
      { key: "tiles" },
      h("div.tile", null, h("span", null, t("points")), pieces.points(side)),
      h("div.tile", null, h("span", null, t("tier")), pieces.tier(side)),
    ),
    h(
      "div.columns",
      { key: "columns" },
      h("div", { key: "left" }, pieces.orders(side), entries(side)),
      pieces.shop(side),
    ),
  );
}

const isToCome = ({ kind, available_at: at }) => kind === "earned" && at && Date.parse(at) > Date.now();

function what(entry) {
  if (isToCome(entry)) return t("points.to_come");
  return has(`points.${entry.kind}`) ? t(`points.${entry.kind}`) : entry.kind;
}

function entries(side) {
  const row = (entry) =>
    h(
      "li",
      { key: entry.id },
      h("span", null, what(entry)),
      h("small", null, pieces.moment(entry.created_at)),
      h("b", null, `${entry.points > 0 ? "+" : ""}${entry.points}`),
    );
  return h(
    "section.entries",
    { key: "entries" },
    h("h3", null, t("entries")),
    side.entries.length
      ? h("ul", { testid: "website-entries" }, side.entries.map(row))
      : h("p.empty", null, t("entries_empty")),
  );
}

function paySheet(side) {
  const { payment } = side;
  const url = payment.params?.code_url;
  const close = () => side.set({ sheet: "", payment: null });
  return h(
    "div.overlay",
    { key: "overlay", onkeydown: ({ key }) => key === "Escape" && close() },
    h(
      "div.dialog",
      { role: "dialog", "aria-modal": "true", "aria-label": t("pay_scan"), testid: "website-pay-sheet" },
      h("h2", null, t("pay_scan")),
      h("strong.figure", null, money(payment.order.total_fen)),
      h("div.qr", null, url ? code(url) : icon("check")),
      pieces.told(side),
      h("p.sandbox-hint", null, h("b", null, t("sandbox")), t(payment.done ? "pay_wait" : "pay_note")),
      h(
        "div.choices",
        null,
        h("button.quiet", { type: "button", onclick: close }, t("cancel")),
        h(
          "button.primary",
          {
            type: "button",
            testid: "website-pay-confirm",
            focus: true,
            disabled: Boolean(side.busy) || payment.done,
            onclick: () => side.confirmPayment(),
          },
          t("pay_simulate"),
        ),
      ),
    ),
  );
}

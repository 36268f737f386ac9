/**
 * The two-channel page: a website and a mini-program, each a client of the public API with its own channel,
 * tokens and live socket. Nothing passes between them but through the hub.
 *
 * For browser tests (data-testid; <side> is `website` or `mini`):
 *   frames       website · mini · hub-state (data-state none|half|two|one) · hub-member-numbers · story
 *   head         person-name · person-phone · next-person · demo · language
 *   sign in      website-by-phone · website-phone · website-send-code · website-code · website-sms-hint
 *                website-sign-in · website-by-qr · website-qr · website-qr-user · website-qr-scan · mini-sign-in
 *   consent      <side>-agree (ticked before a sign-in); when the hub asks once more, within a frame:
 *                consent-check (each is ticked) · consent-agree · consent-back
 *   phone        mini-bind-phone, then mini-phone-allow in mini-phone-sheet
 *   member       <side>-member-number · <side>-member-phone · <side>-nickname (text) · <side>-nickname-edit, then
 *                <side>-nickname-input · <side>-nickname-save · <side>-recognised · <side>-sign-out
 *   worth        <side>-points · <side>-points-pending (data-value) · <side>-tier · website-entries
 *   orders       <side>-order (buys the chosen product) · <side>-orders, in it order (data-number, data-status)
 *                <side>-pay (on an unpaid order), then <side>-pay-confirm in <side>-pay-sheet
 *   state        <side>-connection (data-state live|connecting|reconnecting|closed) · <side>-error (data-kind)
 *   arrivals     arrivals, in it arrival (data-type, data-sequence, data-origin), in it delay (data-side, data-ms,
 *                data-since-event, data-crossed) · latest-delay (data-ms) · median-delay (data-ms) · facts
 */
import { h, render } from "./dom.js";
import { Flow } from "./flow.js";
import { GuidedDemo, story } from "./guided-demo.js";
import { announcement, hubColumn, pulse } from "./hub-column.js";
import { miniProgram } from "./mini-program.js";
import { icon } from "./pieces.js";
import { People } from "./shop.js";
import { Side } from "./side.js";
import { current, t, tag, toggle } from "./words.js";
import { website } from "./website.js";

const [left, right] = JSON.parse(document.getElementById("hub-config").textContent).channels;
const place = (name) => document.getElementById(name);
const people = new People();
const flow = new Flow();
const sides = {
  website: new Side({ channel: left, flow, people }),
  "mini-program": new Side({ channel: right, flow, people }),
};
const demo = new GuidedDemo({ pointer: place("pointer"), fresh, changed: (failure) => draw({ failure }) });
const shown = { failure: "" };
let isDrawing = false;

const nextFrame = (work) => (document.hidden ? setTimeout(work) : requestAnimationFrame(work));

/** Every change of a moment is one drawing. */
function draw(fields = {}) {
  Object.assign(shown, fields);
  if (isDrawing) return;
  isDrawing = true;
  nextFrame(() => {
    isDrawing = false;
    render(place("head"), head());
    render(
      place("story"),
      story(sides, flow),
      shown.failure && h("p.told", { role: "alert", "data-kind": "error" }, shown.failure),
    );
    render(place("website"), website(sides.website));
    render(place("hub"), hubColumn(flow, sides));
    render(place("mini"), miniProgram(sides["mini-program"]));
  });
}

function head() {
  const { name, phone } = people.current;
  return [
    h(
      "div.title",
      { key: "title" },
      h("span.circles", { "aria-hidden": "true" }, h("i"), h("i")),
      h("div", null, h("h1", null, t("title")), h("p", null, t("subtitle"))),
    ),
    h(
      "div.person",
      { key: "person" },
      icon("person"),
      h(
        "span",
        null,
        h("small", null, t("person")),
        h("b", { testid: "person-name" }, name[current()]),
        h("span", { testid: "person-phone" }, phone),
      ),
      h(
        "button.quiet",
        { type: "button", testid: "next-person", disabled: demo.isPlaying, onclick: fresh },
        icon("swap"),
        t("next_person"),
      ),
    ),
    h(
      "button.primary",
      { key: "demo", type: "button", testid: "demo", onclick: () => (demo.isPlaying ? demo.stop() : demo.play()) },
      icon(demo.isPlaying ? "stop" : "play"),
      t(demo.isPlaying ? "demo_stop" : "demo"),
    ),
    h(
      "button.quiet",
      { key: "language", type: "button", testid: "language", lang: tag() === "en" ? "zh-Hans" : "en", onclick: speak },
      t("language"),
    ),
  ];
}

/** Another person steps up: both sides sign out, the record of arrivals starts anew. */
async function fresh() {
  await Promise.all(Object.values(sides).map((side) => side.client.signedIn && side.signOut()));
  flow.clear();
  const { name } = people.next();
  for (const side of Object.values(sides)) side.forget();
  draw({ failure: "" });
  return name[current()];
}

/** The other language, for the page and for what the hub answers. */
function speak() {
  toggle();
  dress();
  for (const side of Object.values(sides)) {
    side.set({ error: "", notice: "" });
    side.readPolicies();
    if (side.me) side.act("load", () => side.load());
  }
  draw();
}

function dress() {
  document.documentElement.lang = tag() === "en" ? "en" : "zh-Hans";
  document.title = `${t("title")} · ${t("subtitle")}`;
  for (const [name, label] of [["website", "website"], ["hub", "hub"], ["mini", "mini-program"]])
    place(name).setAttribute("aria-label", t(label));
}

function tell({ detail: { arrival, side } }) {
  const origin = arrival.act?.side ?? arrival.event.source.split("/").pop();
  if (side !== origin) place("announcer").textContent = announcement(arrival, side);
  draw();
  nextFrame(() => pulse(place("hub"), side, origin));
}

for (const side of Object.values(sides)) side.addEventListener("change", () => draw());
flow.addEventListener("arrival", tell);
setInterval(() => sides.website.sms?.until > Date.now() - 1500 && draw(), 1000);
setInterval(() => draw(), 30_000);
dress();
draw();
for (const side of Object.values(sides)) side.start();

/** Between the frames: what the hub knows, how fast it tells, and every fact as it arrives. */
import { h } from "./dom.js";
import { icon, tierName } from "./pieces.js";
import { money } from "./shop.js";
import { current, has, t } from "./words.js";

const SIDES = ["website", "mini-program"];
const PICTURE = { website: "screen", "mini-program": "phone" };

/** @param {import("./flow.js").Flow} flow @param {Record<string, import("./side.js").Side>} sides */
export function hubColumn(flow, sides) {
  return [emblem(sides), figures(flow), timeline(flow)];
}

function emblem(sides) {
  const [left, right] = SIDES.map((side) => sides[side].me);
  const state = left && right ? (left.id === right.id ? "one" : "two") : left || right ? "half" : "none";
  const numbers = state === "one" ? [left.number] : [left?.number, right?.number].filter(Boolean);
  return h(
    "div.emblem",
    { key: "emblem", "data-state": state, testid: "hub-state" },
    h(
      "div.wires",
      { "aria-hidden": "true" },
      wire(sides.website),
      h("span.circles", null, h("i"), h("i")),
      wire(sides["mini-program"]),
    ),
    h("strong", null, t(`hub_${state}`)),
    h("span.numbers", { testid: "hub-member-numbers" }, numbers.join(" · ") || " "),
  );
}

const wire = (side) =>
  h(
    "span.wire",
    { "data-state": side.client.signedIn ? side.connection : "closed", "data-side": side.channel },
    h("i", { class: "pulse" }),
  );

function figures(flow) {
  const crossings = flow.crossings();
  const [latest] = crossings;
  const sorted = crossings.map(({ ms }) => ms).sort((a, b) => a - b);
  const value = (ms) => (ms === undefined ? "—" : duration(ms).join(" "));
  return h(
    "div.figures",
    { key: "figures" },
    h("span", null, t("latest")),
    h(
      "strong.latest",
      { testid: "latest-delay", "data-ms": latest?.ms ?? null, flash: `${flow.arrivals[0]?.event.id ?? ""}` },
      latest ? [duration(latest.ms)[0], h("small", null, duration(latest.ms)[1])] : "—",
    ),
    h("small", null, latest ? t("since_event", { time: duration(latest.sinceEvent).join(" ") }) : "\u00a0"),
    h(
      "dl",
      null,
      h(
        "div",
        null,
        h("dt", null, t("median")),
        h(
          "dd",
          { testid: "median-delay", "data-ms": sorted[sorted.length >> 1] ?? null },
          value(sorted[sorted.length >> 1]),
        ),
      ),
      h("div", null, h("dt", null, t("slowest")), h("dd", null, value(sorted.at(-1)))),
      h("div", null, h("dt", null, t("facts")), h("dd", { testid: "facts" }, String(flow.arrivals.length))),
    ),
  );
}

function timeline(flow) {
  return h(
    "section.timeline",
    { key: "timeline", "aria-label": t("arrivals") },
    h("h3", null, t("arrivals")),
    flow.arrivals.length ? null : h("p.empty", { key: "empty" }, t("arrivals_empty")),
    h("ol", { testid: "arrivals", key: "list", tabindex: 0 }, flow.arrivals.map(row)),
    h("p.note", { key: "note" }, t("arrivals_note")),
  );
}

function row(arrival) {
  const { event, act, at } = arrival;
  const origin = act?.side ?? event.source.split("/").pop();
  return h(
    "li.arrival",
    {
      key: `${event.id}`,
      testid: "arrival",
      "data-type": event.type,
      "data-sequence": event.sequence,
      "data-origin": origin,
    },
    h("div.top", null, h("i.dot"), h("strong", null, label(event.type)), h("span.detail", null, detail(event))),
    h(
      "div.chips",
      null,
      SIDES.filter((side) => at[side]).map((side) => chip(side, at[side], origin)),
    ),
  );
}

function chip(side, { ms, sinceEvent, late }, origin) {
  const text = late ? t("late") : duration(ms ?? sinceEvent).join(" ");
  return h(
    "span.chip",
    {
      key: side,
      testid: "delay",
      "data-side": side,
      "data-ms": late ? null : (ms ?? sinceEvent),
      "data-since-event": sinceEvent,
      "data-crossed": origin !== side ? "yes" : "no",
      title: `${t(side)} · ${t("since_event", { time: duration(sinceEvent).join(" ") })}`,
    },
    icon(PICTURE[side]),
    h("b", null, text),
    late || ms === null ? null : h("small", null, `/ ${sinceEvent}`),
  );
}

/** A number and its unit, as short as is honest. @returns {[string, string]} */
const duration = (ms) => (ms < 1000 ? [String(ms), "ms"] : [(ms / 1000).toFixed(2), "s"]);

export const label = (type) => (has(type) ? t(type) : type);

function detail({ type, data }) {
  if (type.startsWith("order.")) return money(data.total_fen);
  if (data.entry) return `${data.entry.points > 0 ? "+" : ""}${data.entry.points}`;
  if (type === "tier.changed") return tierName(data.to);
  if (data.identity) return data.identity.kind.replace("wechat_", "");
  return (data.changed ?? []).map((field) => (has(field) ? t(field) : field)).join(current() === "zh" ? "、" : ", ");
}

/** What a screen reader is told of an arrival. */
export function announcement({ event, at }, side) {
  const { ms, sinceEvent } = at[side];
  return t("arrived", { type: label(event.type), side: t(side), ms: ms ?? sinceEvent });
}

/** A light runs along the wire of the side that just received. */
export function pulse(place, side, origin) {
  const light = place.querySelector(`.wire[data-side="${side}"] .pulse`);
  if (!light?.animate || matchMedia("(prefers-reduced-motion: reduce)").matches) return;
  const outward = side === "website" ? ["100%", "0%"] : ["0%", "100%"];
  const [from, to] = side === origin ? outward.slice().reverse() : outward;
  light.animate(
    [
      { left: from, opacity: 1 },
      { left: to, opacity: 1, offset: 0.85 },
      { left: to, opacity: 0 },
    ],
    { duration: 650, easing: "ease-out" },
  );
}

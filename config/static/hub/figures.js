/** Writes figures into the page. Words are the page's own; here are only numbers, times and marks. */
const lang = document.documentElement.lang;
const whole = new Intl.NumberFormat(lang);
const percent = new Intl.NumberFormat(lang, { style: "percent", maximumFractionDigits: 1 });
const yuan = new Intl.NumberFormat(lang, { style: "currency", currency: "CNY", currencyDisplay: "narrowSymbol" });
const zone = { timeZone: "Asia/Shanghai", hour12: false };
const clock = new Intl.DateTimeFormat(lang, { ...zone, hour: "2-digit", minute: "2-digit", second: "2-digit" });
const day = new Intl.DateTimeFormat(lang, { ...zone, month: "numeric", day: "numeric", hour: "2-digit", minute: "2-digit" });
const NOTHING = "–";
const LATE = 45_000; // ms without a sign of life

export function show(figures) {
  const { sync, watch, totals, channels, minutes, hour, at } = figures;
  say("success", sync.success.rate === null ? NOTHING : percent.format(sync.success.rate));
  const tried = document.querySelector('[data-of="attempts"]');
  tried.textContent = `${whole.format(sync.success.attempts)} ${tried.dataset.word}`;
  say("hour", hour.rate === null ? NOTHING : percent.format(hour.rate));
  tone("success", toneOfRate(sync.success.rate));

  say("delivered50", duration(sync.delivered[0]));
  say("delivered95", duration(sync.delivered[1]));
  say("settled", sync.settled[0] === null ? NOTHING : `${duration(sync.settled[0])} / ${duration(sync.settled[1])}`);
  tone("delay", sync.delivered[1] === null ? "" : sync.delivered[1] < 2000 ? "good" : sync.delivered[1] < 30_000 ? "warn" : "bad");

  const { deliveries, inbox, unsettled, many } = sync.backlog;
  say("waiting", capped(deliveries, many));
  say("inbox", capped(inbox, many));
  say("unsettled", capped(unsettled, many));
  tone("backlog", deliveries + inbox + unsettled === 0 ? "good" : deliveries < 100 ? "" : deliveries < 1000 ? "warn" : "bad");

  say("attention", capped(watch.alerts_open + watch.discrepancies_open, many));
  say("alerts", capped(watch.alerts_open, many));
  say("discrepancies", capped(watch.discrepancies_open, many));
  tone("attention", watch.alerts_open ? "bad" : watch.discrepancies_open ? "warn" : "good");

  say("members", whole.format(totals.members));
  say("orders", whole.format(totals.orders));
  say("points", whole.format(totals.points));
  document.getElementById("at").textContent = clock.format(new Date(at));
  showChannels(channels);
  showMinutes(minutes);
  showWatch(watch, Date.parse(at));
}

function showChannels(channels) {
  const body = document.getElementById("channels");
  const rows = channels.map((each) => {
    const row = make("tr");
    const name = make("th", each.name);
    name.scope = "row";
    if (!each.is_active) {
      row.dataset.off = "";
      name.append(make("small", body.dataset.off));
    }
    const rate = each.attempts ? each.arrived / each.attempts : null;
    row.append(
      name, sum(each.members), sum(each.joined, "+"), sum(each.orders), sum(each.placed, "+"),
      cell(each.paid_fen ? yuan.format(each.paid_fen / 100) : NOTHING, each.paid_fen ? "" : "zero"),
      sum(each.earned, "+"), sum(each.spent, "−"),
      cell(rate === null ? NOTHING : percent.format(rate), rate === null ? "zero" : `text-${toneOfRate(rate)}`), sum(each.waiting),
    );
    return row;
  });
  body.replaceChildren(...rows);
  document.getElementById("no-channels").hidden = channels.length > 0;
}

/** Sixty minutes: events as the ground, deliveries and failures before it. */
function showMinutes(minutes) {
  const peak = Math.max(1, ...minutes.map((each) => Math.max(each.events, each.arrived + each.failed)));
  const step = 1200 / minutes.length;
  const height = (count) => (count / peak) * 142;
  const bars = minutes.map((each, place) => {
    const group = draw("g", { class: "minute" });
    const title = draw("title");
    title.textContent = `${each.at} · ${each.events} · ✓ ${each.arrived} · ✗ ${each.failed}`;
    const bar = (kind, count, base, width, left) =>
      draw("rect", { class: `bar-${kind}`, x: place * step + left, width, y: 148 - base - height(count), height: height(count) });
    group.append(
      title,
      draw("rect", { x: place * step, y: 0, width: step, height: 150, fill: "transparent" }),
      bar("events", each.events, 0, step * 0.8, step * 0.1),
      bar("arrived", each.arrived, 0, step * 0.34, step * 0.33),
      bar("failed", each.failed, height(each.arrived), step * 0.34, step * 0.33),
    );
    return group;
  });
  const ground = draw("line", { x1: 0, x2: 1200, y1: 149, y2: 149 });
  document.getElementById("minutes").replaceChildren(ground, ...bars);
  const isQuiet = minutes.every((each) => each.events + each.arrived + each.failed === 0);
  document.getElementById("no-traffic").hidden = !isQuiet;
  say("from", minutes[0]?.at ?? "");
  say("to", minutes.at(-1)?.at ?? "");
  const word = document.querySelector('[data-of="peak"]');
  word.textContent = `${word.dataset.word}: ${whole.format(Math.max(0, ...minutes.map((each) => each.events)))}`;
}

function showWatch(watch, now) {
  fill("alerts", watch.alerts, (each, list) => {
    const when = make("time", `${list.dataset.since} ${day.format(new Date(each.at))}`);
    return [make("b", each.name), when, make("span", each.about)];
  });
  fill("discrepancies", watch.discrepancies, (each, list) => [
    make("b", `${each.subject} · ${each.field}`),
    make("span", `${list.dataset.expected} ${each.expected} · ${list.dataset.found} ${each.found}`),
  ]);
  const processes = watch.processes.map((each) => {
    const item = make("li", each.name);
    if (now - Date.parse(each.seen) > LATE) item.dataset.late = "";
    item.title = clock.format(new Date(each.seen));
    return item;
  });
  document.getElementById("processes").replaceChildren(...processes);
}

function fill(id, rows, inside) {
  const list = document.getElementById(id);
  const items = rows.map((each) => {
    const item = make("li");
    item.append(...inside(each, list));
    return item;
  });
  const before = list.textContent;
  const fresh = items.map((item) => item.textContent).join("");
  if (before !== fresh) list.replaceChildren(...items); // unchanged: nothing for a screen reader to say
  document.getElementById(`no-${id}`).hidden = rows.length > 0;
}

function duration(ms) {
  if (ms === null) return NOTHING;
  if (ms < 1000) return `${Math.max(1, Math.round(ms))} ms`;
  if (ms < 60_000) return `${(ms / 1000).toFixed(1)} s`;
  return ms < 3_600_000 ? `${Math.round(ms / 60_000)} min` : `${(ms / 3_600_000).toFixed(1)} h`;
}

const capped = (count, many) => (count >= many ? `${whole.format(many)}+` : whole.format(count));
const toneOfRate = (rate) => (rate === null ? "" : rate >= 0.99 ? "good" : rate >= 0.9 ? "warn" : "bad");
const sum = (count, sign = "") => cell(count ? `${sign}${whole.format(count)}` : "0", count ? "" : "zero");

function cell(text, className = "") {
  const made = make("td", text);
  made.className = `sum ${className}`.trim();
  return made;
}

function say(name, text) {
  for (const place of document.querySelectorAll(`[data-of="${name}"]`)) if (place.textContent !== text) place.textContent = text;
}

function tone(id, name) {
  document.getElementById(id).dataset.tone = name;
}

function make(tag, text = "") {
  const made = document.createElement(tag);
  made.textContent = text;
  return made;
}

function draw(tag, attributes = {}) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}

/**
 * Drives clients by lines of JSON: `node drive.mjs browser|wx <mercy> <origin>`.
 *
 *   in   {"id", "do": "make", "client", "settings"} · {"id", "do": "call", "client", "name", "args"} · {"id", "do": "see"}
 *        {"id", "do": "place", "name", "args"} (hide, show, online, cut, login, full) · {"id", "do": "dawdle", "ms"}
 *        {"id", "do": "hurry", "factor"} (timers run so many times faster)
 *   out  {"id", "value"} or {"id", "error"} · {"client", "signal", "detail"}
 */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { createInterface } from "node:readline";
import vm from "node:vm";
import { Window } from "./browser.mjs";

const require = createRequire(import.meta.url);
const { Phone } = require("./wx.cjs");
const [platform, mercy, origin] = process.argv.slice(2);
const folder = new URL("../../../docs/clients/", import.meta.url);
const SIGNALS = ["session", "signedout", "connection", "event", "resync", "error"];
const clients = {};
const { setTimeout, clearTimeout } = globalThis;
const timers = new Set(); // of the clients, still to come: without any, nothing happens by itself
let dawdle = 0;
let factor = 1;

const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);
const place = platform === "wx" ? new Phone({ mercy: Number(mercy) }) : new Window();
const { HubClient } = platform === "wx" ? miniProgram() : await page();

async function page() {
  place.install(origin);
  globalThis.setTimeout = hurried;
  globalThis.clearTimeout = calmed;
  return import(new URL("hub-client.js", folder));
}

/** A realm with the language, timers, a console and `wx`: nothing of a browser, nothing of Node. */
function miniProgram() {
  const module = { exports: {} };
  const world = { wx: place.wx, module, exports: module.exports, console, setTimeout: hurried, clearTimeout: calmed };
  const realm = vm.createContext(world);
  vm.runInContext("delete WebAssembly; delete globalThis", realm);
  vm.runInContext(readFileSync(new URL("hub-client.wx.js", folder), "utf8"), realm, { filename: "hub-client.wx.js" });
  return module.exports;
}

/** Node's own fetch asks a page's global as well: its timers are no client's. */
function hurried(work, ms = 0, ...more) {
  const [, , asking] = new Error().stack.split("\n");
  if (!asking.includes("hub-client.")) return setTimeout(work, ms, ...more);
  const timer = setTimeout(() => {
    timers.delete(timer);
    work(...more);
  }, ms / factor);
  timers.add(timer);
  return timer;
}

function calmed(timer) {
  timers.delete(timer);
  clearTimeout(timer);
}

function make({ client: name, settings }) {
  const client = (clients[name] = new HubClient(settings));
  for (const signal of SIGNALS) client.on(signal, (detail) => told(name, signal, detail));
}

function told(client, signal, detail) {
  say({ client, signal, detail: signal === "error" ? String(detail) : detail ?? null });
  return signal === "event" && dawdle ? new Promise((done) => setTimeout(done, dawdle)) : undefined;
}

/** A list or an iterator is read to its end; `live.start` is a method of a part. */
async function call({ client, name, args = [] }) {
  const path = name.split(".");
  const last = path.pop();
  const owner = path.reduce((object, part) => object[part], clients[client]);
  const found = await owner[last](...args.map(given));
  if (!found?.[Symbol.asyncIterator]) return found;
  const results = [];
  for await (const each of found) results.push(each);
  return results;
}

/** {"$file": path} is a picture. */
function given(arg) {
  if (!arg?.$file) return arg;
  return platform === "wx" ? arg.$file : new Blob([readFileSync(arg.$file)]);
}

function see() {
  const seen = Object.entries(clients).map(([name, { signedIn, memberId, live }]) => [
    name,
    { signedIn, memberId, position: live.position, state: live.state },
  ]);
  const { lines, store, asked } = place;
  const running = place.running?.size ?? 0;
  const now = { lines: lines.size, running, timers: timers.size, stored: [...store], asked };
  return { clients: Object.fromEntries(seen), ...now, ...place.seen };
}

const DOING = {
  make,
  call,
  see,
  dawdle: ({ ms }) => void (dawdle = ms),
  hurry: (asked) => void (factor = asked.factor),
  place: ({ name, args = [] }) => void ({
    hide: () => place.hide(),
    show: () => place.show(),
    online: () => place.online(),
    cut: () => [...place.lines].forEach((line) => line.cut()),
    login: (code) => (place.loginCode = code),
    full: (isFull) => (place.isFull = isFull),
  })[name](...args),
};

function problem(error) {
  const { message, name, status, code, errors, requestId, retryAfter, isPassing, problem: told, stack } = error;
  return { message, name, status, code, errors, requestId, retryAfter, isPassing, problem: told, stack };
}

createInterface({ input: process.stdin })
  .on("line", async (line) => {
    const asked = JSON.parse(line);
    try {
      say({ id: asked.id, value: (await DOING[asked.do](asked)) ?? null });
    } catch (error) {
      say({ id: asked.id, error: problem(error) });
    }
  })
  .on("close", () => process.exit());

// A receiver of the member hub's events. Node 18 or newer, nothing to install. Copy it and write `apply`.
//
//   HUB_URL=https://hub.example HUB_API_KEY=hub_sk_… HUB_WEBHOOK_SECRETS=whsec_… node receiver.mjs
//   node receiver.mjs show         what it has applied, as JSON
//
// HUB_WEBHOOK_SECRETS  the endpoint's secret; several, separated by spaces, while you replace one
// HUB_API_KEY          a key of the channel with the scopes feed:read and orders:read
// RECEIVER_DATA        where the journal is kept (.)          HOST, PORT   where to listen (127.0.0.1, 8080)
//
// A webhook is verified, appended to a journal on disk and answered; then what is kept is applied. Each event is applied
// once, by its id; events of one subject in the order of `sequence`. Where a number is missing, the feed is read to its
// end: what is missing then was never meant for this channel. The feed is read at the start and every minute as well, so
// that nothing is lost while the receiver is away; after more than the hub keeps, its lists are read anew. Run one
// process per journal, behind your web server, which speaks TLS.
// The journal grows, and is read whole at every start: a busy shop writes Store anew, on its database.

import { createHmac, timingSafeEqual } from "node:crypto";
import { existsSync, fsyncSync, ftruncateSync, openSync, readFileSync, writeSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";

const TOLERANCE = 300; // seconds that a signature may be old, or ahead of this clock
const LARGEST = 1_048_576; // bytes of a body
const PAGE = 100; // events of a page of the feed
const EVERY = 60_000; // milliseconds between two looks into the feed
const SAMPLES = "/hub/samples"; // the source of what staff send to try the address: it is no fact

/**
 * What your shop does with an event. This one keeps a copy of each order.
 *
 * The copies are made anew from the journal at every start. What you do elsewhere (your database, an e-mail) belongs
 * where `isNew` is true; it may be repeated after a crash, so give it `event.id` as its key. When this throws or
 * rejects, the event is tried again and later ones of its subject wait. Unknown types are to be ignored.
 */
async function apply(event, copies, isNew) {
  if (event.type.startsWith("order.")) keepOrder(event.data, copies);
}

/** What your shop does with an order as it is now: from an event, or from the list after a long absence. */
function keepOrder(order, copies) {
  const known = copies.orders.get(order.number);
  if (!known || order.version > known.version) copies.orders.set(order.number, order);
}

/** Standard Webhooks: one of the signatures is right under one of the secrets, and its time is near. */
export function isGenuine(headers, body, secrets, now) {
  const id = headers["webhook-id"] ?? "";
  const timestamp = headers["webhook-timestamp"] ?? "";
  if (!id || !/^[0-9]{1,12}$/.test(timestamp) || Math.abs(now - Number(timestamp)) > TOLERANCE) return false;
  const offered = (headers["webhook-signature"] ?? "").split(" ").map((one) => Buffer.from(one));
  return secrets.some((secret) => {
    const key = Buffer.from(secret.replace(/^whsec_/, ""), "base64");
    const mac = createHmac("sha256", key).update(`${id}.${timestamp}.`).update(body).digest("base64");
    const right = Buffer.from(`v1,${mac}`);
    return offered.some((one) => one.length === right.length && timingSafeEqual(one, right));
  });
}

/** The stream of an event and its place there. One without a sequence stands alone. */
function placeOf(event) {
  if (typeof event?.id !== "string" || typeof event.type !== "string") throw new TypeError("no event");
  if (event.sequence === undefined) return [`event/${event.id}`, 1];
  if (!/^[0-9]+$/.test(event.sequence) || !event.subject) throw new TypeError("no event");
  return [event.subject, Number(event.sequence)];
}

/** What was received, what was applied, and how far the feed was read: a journal of JSON lines, read at the start. */
class Store {
  constructor(path) {
    this.path = path;
    this.known = new Map(); // id -> when it came
    this.queues = new Map(); // subject -> events that wait, by sequence
    this.applied = new Map(); // subject -> the last sequence that was applied
    this.copies = { orders: new Map() };
    this.cursor = "";
    this.counts = { applied: 0, late: 0 };
  }

  async open({ readOnly = false } = {}) {
    const bytes = existsSync(this.path) ? readFileSync(this.path) : Buffer.alloc(0);
    this.length = bytes.lastIndexOf("\n") + 1; // after it: a line that a crash cut off, which nobody was told of
    const lines = bytes.toString("utf8", 0, this.length).split("\n").slice(0, -1);
    for (const line of lines) await this.#replay(JSON.parse(line));
    if (!readOnly) ftruncateSync((this.file = openSync(this.path, "a")), this.length);
    return this;
  }

  /** Keep events that are not known yet, and with them how far the feed was read; on disk when this returns. */
  keep(events, cursor = "") {
    const at = Date.now();
    const fresh = new Map(events.map((event) => [event.id, event]));
    for (const id of fresh.keys()) if (this.known.has(id)) fresh.delete(id);
    const lines = [...fresh.values()].map((event) => ({ event, at, place: placeOf(event) }));
    if (cursor && cursor !== this.cursor) lines.push({ cursor });
    this.#write(lines);
    for (const line of lines) this.#take(line);
  }

  /** Keep orders as a list told them. */
  keepOrders(orders) {
    const lines = orders.map((order) => ({ order }));
    this.#write(lines);
    for (const line of lines) this.#take(line);
  }

  /** Apply the next event of a subject. False when there is none, or one before it is missing. */
  async applyNext(subject, isWhole) {
    const queue = this.queues.get(subject);
    if (!queue?.length) return false;
    const { event, sequence } = queue[0];
    const last = this.applied.get(subject) ?? 0;
    if (sequence > last + 1 && !isWhole(event.id)) return false;
    const state = sequence <= last ? "late" : "applied"; // late: a later one was applied, what this one said is history
    if (state === "applied") await apply(event, this.copies, true);
    this.#write([{ done: event.id, subject, sequence, state }]);
    this.#finish({ done: event.id, subject, sequence, state });
    console.error(`${state} ${subject} ${sequence} ${event.id}`);
    return true;
  }

  waiting() {
    return [...this.queues.values()].flat().map(({ event }) => event.id);
  }

  shown() {
    const orders = [...this.copies.orders.values()].map((order) => [order.number, order.status]);
    return {
      ...this.counts,
      waiting: this.waiting().length,
      cursor: this.cursor,
      subjects: Object.fromEntries(this.applied),
      orders: Object.fromEntries(orders),
    };
  }

  async #replay(line) {
    if (line.done === undefined) return this.#take(line);
    const found = this.queues.get(line.subject)?.find(({ event }) => event.id === line.done);
    if (line.state === "applied" && found) await apply(found.event, this.copies, false);
    this.#finish(line);
  }

  #take(line) {
    if (line.cursor !== undefined) this.cursor = line.cursor;
    if (line.order !== undefined) keepOrder(line.order, this.copies);
    if (line.event === undefined) return;
    const [subject, sequence] = line.place;
    this.known.set(line.event.id, line.at);
    const queue = this.queues.get(subject) ?? [];
    queue.push({ event: line.event, sequence });
    queue.sort((one, other) => one.sequence - other.sequence);
    this.queues.set(subject, queue);
  }

  #finish({ done, subject, sequence, state }) {
    const rest = (this.queues.get(subject) ?? []).filter(({ event }) => event.id !== done);
    if (rest.length) this.queues.set(subject, rest);
    else this.queues.delete(subject);
    if (state === "applied") this.applied.set(subject, sequence);
    this.counts[state] += 1;
  }

  /** Append whole lines, or none. */
  #write(lines) {
    if (!lines.length) return;
    const bytes = Buffer.from(lines.map((line) => JSON.stringify(line) + "\n").join(""));
    try {
      for (let at = 0; at < bytes.length; ) at += writeSync(this.file, bytes, at);
      fsyncSync(this.file);
    } catch (error) {
      ftruncateSync(this.file, this.length);
      throw error;
    }
    this.length += bytes.length;
  }
}

/** Applies what is kept, and reads the feed where something is missing. */
class Worker {
  constructor(store, hub, key) {
    Object.assign(this, { store, hub: hub.replace(/\/$/, ""), key, readAt: 0, pause: 1_000 });
  }

  /** Look now; when it is at work already, once more right after. */
  wake() {
    this.again = true;
    if (this.busy) return;
    this.busy = true;
    clearTimeout(this.timer);
    this.#run();
  }

  async #run() {
    let stuck = false;
    while (this.again) {
      this.again = false;
      try {
        stuck = await this.#apply(() => false);
        if (this.store.waiting().length || Date.now() - this.readAt > EVERY) {
          stuck = await this.#catchUp();
          this.readAt = Date.now();
        }
      } catch (error) {
        // the hub is away, the disk is full: what is kept stays, and is tried again
        console.error(`${error}; again in ${this.pause} ms`);
        stuck = true;
      }
    }
    this.busy = false;
    this.timer = setTimeout(() => this.wake(), stuck ? this.pause : EVERY);
    this.pause = stuck ? Math.min(2 * this.pause, EVERY) : 1_000;
  }

  /** Apply what can be applied. Gives whether a subject is stuck because `apply` failed. */
  async #apply(isWhole) {
    let stuck = false;
    for (const subject of [...this.store.queues.keys()]) {
      try {
        while (await this.store.applyNext(subject, isWhole));
      } catch (error) {
        console.error(`${subject} is stuck: ${error}`);
        stuck = true;
      }
    }
    return stuck;
  }

  /** Read the feed to its end, then apply all whose predecessors must have been in it. */
  async #catchUp() {
    const whole = new Set(this.store.waiting());
    for (let more = true; more; ) {
      const page = await this.#page(this.store.cursor);
      this.store.keep(page.results, page.cursor);
      for (const event of page.results) whole.add(event.id);
      more = page.has_more;
    }
    return this.#apply((id) => whole.has(id));
  }

  /** The events after a cursor; none, and another cursor, when the hub has forgotten some of them. */
  async #page(cursor) {
    const answer = await this.#ask("feed", { limit: PAGE, ...(cursor && { after: cursor }) });
    if (answer.status !== 410) return this.#told(answer);
    const { head } = await answer.json();
    console.error("away for too long: reading the state anew");
    await this.#readAnew();
    return { results: [], cursor: head, has_more: true };
  }

  /** Keep all orders as they are now. If you keep members, fetch those you know here as well. */
  async #readAnew() {
    for (let query = { limit: PAGE }; query; ) {
      const page = await this.#told(await this.#ask("orders", query));
      this.store.keepOrders(page.results);
      query = page.next && new URL(page.next).searchParams;
    }
  }

  #ask(path, query) {
    const headers = { Authorization: `Bearer ${this.key}` };
    const url = `${this.hub}/api/v1/${path}?${new URLSearchParams(query)}`;
    return fetch(url, { headers, signal: AbortSignal.timeout(15_000) });
  }

  #told(answer) {
    if (!answer.ok) throw new Error(`the hub answers ${answer.status}`);
    return answer.json();
  }
}

/** POST: 204 when the event is kept, 401 when it is not the hub's. */
async function receive(request, store, secrets) {
  const parts = [];
  let length = 0;
  for await (const part of request) {
    length += part.length;
    if (length > LARGEST) return 413;
    parts.push(part);
  }
  const body = Buffer.concat(parts);
  if (!isGenuine(request.headers, body, secrets, Date.now() / 1000)) return 401;
  let event;
  try {
    event = JSON.parse(body);
    placeOf(event);
  } catch {
    return 400;
  }
  if (event.source !== SAMPLES) store.keep([event]);
  return 204;
}

async function main() {
  const { env } = process;
  const store = new Store(join(env.RECEIVER_DATA ?? ".", "receiver.jsonl"));
  if (process.argv[2] === "show") {
    await store.open({ readOnly: true });
    console.log(JSON.stringify(store.shown()));
    return;
  }
  await store.open();
  const worker = new Worker(store, env.HUB_URL, env.HUB_API_KEY);
  const secrets = env.HUB_WEBHOOK_SECRETS.split(/\s+/).filter(Boolean);
  if (!secrets.every((secret) => /^(whsec_)?[A-Za-z0-9+/]+=*$/.test(secret)))
    throw new Error("HUB_WEBHOOK_SECRETS: a secret is whsec_ and base64");
  const server = createServer(async (request, response) => {
    let status = 405;
    try {
      if (request.method === "POST") status = await receive(request, store, secrets);
    } catch (error) {
      console.error(error); // not kept: the hub sends it again
      status = 500;
    }
    response.writeHead(status, status === 413 ? { Connection: "close" } : {}).end();
    if (status === 204) worker.wake();
  });
  server.requestTimeout = 10_000;
  server.keepAliveTimeout = 30_000; // longer than the hub keeps an idle connection
  server.listen(Number(env.PORT ?? 8080), env.HOST ?? "127.0.0.1");
  worker.wake();
}

await main();

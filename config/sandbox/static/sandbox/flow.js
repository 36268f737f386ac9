/**
 * The flow of facts: which act caused an event, and how long after it each side's socket had it.
 * An event names the request that caused it (`correlationid`); a payment is known by its order instead,
 * because its request is WeChat Pay's own.
 */
const REMEMBERED = 60;
const ACTS = 200;
const LATE = 8_000;
const PATIENCE = 60_000;

export class Flow extends EventTarget {
  /** @type {Map<string, {side: string, at: number}>} */ #acts = new Map();
  /** @type {{side: string, at: number, matches: (event: any) => boolean}[]} */ #expected = [];
  /** newest first @type {any[]} */ arrivals = [];

  /** A request leaves a side now. */
  began(side, requestId) {
    this.#acts.set(requestId, { side, at: performance.now() });
    if (this.#acts.size > ACTS) this.#acts.delete(this.#acts.keys().next().value);
  }

  /** Events that match, for a while, were caused here and now; and so was what shares their request. */
  expect(side, matches) {
    this.#expected = [{ side, at: performance.now(), matches }, ...this.#expected].slice(0, 20);
  }

  /** @param {string} side whose socket brought it */
  arrived(side, event) {
    const now = performance.now();
    const known = this.arrivals.find((arrival) => isSame(arrival.event, event));
    const arrival = known ?? { event, act: this.#cause(event), at: {} };
    const sinceEvent = Math.max(0, Date.now() - Date.parse(event.time));
    const ms = arrival.act ? now - arrival.act.at : null;
    arrival.at[side] = {
      ms: ms !== null && ms >= 0 ? Math.round(ms) : null,
      sinceEvent,
      late: !arrival.act && sinceEvent > LATE,
    };
    if (!known) this.arrivals = [arrival, ...this.arrivals].slice(0, REMEMBERED);
    this.dispatchEvent(new CustomEvent("arrival", { detail: { arrival, side } }));
  }

  /** The times from the act on one side to the socket of the other, newest first. */
  crossings() {
    return this.arrivals.flatMap(({ act, at }) =>
      Object.entries(at)
        .filter(([side, { ms }]) => act && side !== act.side && ms !== null)
        .map(([, times]) => times),
    );
  }

  clear() {
    this.arrivals = [];
  }

  #cause(event) {
    const request = event.correlationid;
    const since = performance.now() - PATIENCE;
    const awaited = this.#expected.find(({ at, matches }) => at > since && matches(event));
    if (awaited && request) this.#acts.set(request, awaited);
    return awaited ?? (request && this.#acts.get(request)) ?? null;
  }
}

/** One event on both sockets; or a merge, which each of the two members' streams tells as its own. */
const isSame = (one, other) =>
  one.id === other.id ||
  (one.type === "member.merged" && other.type === one.type && one.data.from_id === other.data.from_id);

/** The events that paying an order brings, told by its number. */
export const pays =
  (number) =>
  ({ type, data }) =>
    (type === "order.paid" && data.number === number) ||
    (type === "points.earned" && data.entry.reference === `order:${number}:paid`);

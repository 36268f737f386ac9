/**
 * The live socket of one session: resumes after the last sequence seen, drops repeats, notices gaps, backs off.
 * It owns no tokens: what it needs of its client comes in as calls.
 *
 * @typedef {object} Owner
 * @property {() => Promise<{url: string}>} ticket
 * @property {() => {sequence: number, memberId: string, tokens?: {access_token: string}}} position
 * @property {(sequence: number, memberId?: string) => void} moved
 * @property {(name: string, detail: any) => void} tell
 * @property {(token: string) => void} revoked the session behind this token is no more
 */
import { HubError } from "./hub-error.js";

const FIRST_PAUSE = 400;
const LONGEST_PAUSE = 15_000;
const SILENCE = 55_000; // the hub pings every 25 s
const BEHIND = 3_000; // how long a head that was promised may take to arrive
const ACK_AFTER = 250;
const CLOSED = { REVOKED: 4403, CROWDED: 4429 };

export class LiveSocket {
  /** @type {WebSocket|null} */ #socket = null;
  #wanted = false;
  #run = 0;
  #attempt = 0;
  #sequence = 0;
  #token = "";
  /** @type {Record<string, ReturnType<typeof setTimeout>|undefined>} */ #timers = {};

  /** @param {Owner} owner */
  constructor(owner) {
    this.owner = owner;
    globalThis.addEventListener?.("online", () => this.reopen());
  }

  start() {
    if (this.#wanted) return;
    this.#wanted = true;
    this.restart();
  }

  /** Opens anew from the position the client holds now: another session, perhaps another member. */
  restart() {
    this.#sequence = this.owner.position().sequence;
    this.reopen();
  }

  /** Opens anew where this socket was: another tab of the same member may have read further. */
  reopen() {
    if (!this.#wanted) return;
    this.#drop();
    this.#attempt = 0;
    this.#connect();
  }

  /** Closes, but stays wanted: `restart` goes on. */
  hold() {
    this.#drop();
    this.owner.tell("connection", "reconnecting");
  }

  stop() {
    this.#wanted = false;
    this.#drop();
    this.owner.tell("connection", "closed");
  }

  #drop() {
    this.#run += 1;
    Object.values(this.#timers).forEach(clearTimeout);
    this.#timers = {};
    this.#socket?.close(1000);
    this.#socket = null;
  }

  async #connect() {
    const run = ++this.#run;
    this.owner.tell("connection", this.#attempt ? "reconnecting" : "connecting");
    try {
      const { url } = await this.owner.ticket();
      if (run === this.#run) this.#open(`${url}&after=${this.#sequence}`, run);
    } catch (error) {
      if (!(error instanceof HubError)) throw error;
      if (run === this.#run && this.#wanted) this.#later(1000 * error.retryAfter);
    }
  }

  #open(/** @type {string} */ url, /** @type {number} */ run) {
    this.#token = this.owner.position().tokens?.access_token ?? "";
    const socket = (this.#socket = new WebSocket(url));
    socket.onmessage = ({ data }) => run === this.#run && this.#frame(JSON.parse(data));
    socket.onclose = ({ code }) => run === this.#run && this.#closed(code);
    this.#listen();
  }

  #closed(/** @type {number} */ code) {
    this.#drop();
    if (code === CLOSED.REVOKED) {
      this.owner.tell("connection", "closed");
      this.owner.revoked(this.#token);
    } else this.#later(code === CLOSED.CROWDED ? LONGEST_PAUSE : 0);
  }

  #later(atLeast = 0) {
    const longest = Math.min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** this.#attempt);
    this.#attempt += 1;
    this.owner.tell("connection", "reconnecting");
    this.#after("connect", Math.max(atLeast, longest * (0.5 + Math.random() / 2)), () => this.#connect());
  }

  #frame(/** @type {any} */ frame) {
    this.#listen();
    if (frame.kind === "hello") this.#hello(frame);
    else if (frame.kind === "event") this.#event(frame.event);
    else if (frame.kind === "resync") this.#resync(frame.head);
    else if (frame.kind === "ping") this.#ping(frame.head);
  }

  #hello(/** @type {{member_id: string, head: number}} */ { member_id: memberId, head }) {
    this.#attempt = 0;
    this.owner.tell("connection", "live");
    if (memberId !== this.owner.position().memberId) this.#resync(head, memberId);
  }

  #event(/** @type {any} */ event) {
    const sequence = Number(event.sequence);
    if (sequence <= this.#sequence) return;
    if (sequence > this.#sequence + 1) return this.#gap();
    this.#sequence = sequence;
    this.owner.moved(sequence);
    this.owner.tell("event", event);
    this.#acknowledgeSoon();
  }

  #acknowledgeSoon() {
    if (this.#timers.ack) return;
    this.#after("ack", ACK_AFTER, () => {
      delete this.#timers.ack;
      this.#say({ kind: "ack", sequence: this.#sequence });
    });
  }

  #resync(/** @type {number} */ head, memberId = "") {
    this.#sequence = head;
    this.owner.moved(head, memberId);
    this.owner.tell("resync", head);
  }

  #ping(/** @type {number} */ head) {
    this.#say({ kind: "pong" });
    if (head > this.#sequence) this.#after("behind", BEHIND, () => head > this.#sequence && this.#gap());
  }

  /** Something between was not delivered: ask again from the last one seen. */
  #gap() {
    this.#drop();
    this.#later();
  }

  #say(/** @type {any} */ frame) {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(frame));
  }

  #listen() {
    this.#after("silence", SILENCE, () => this.#gap());
  }

  #after(/** @type {string} */ name, /** @type {number} */ ms, /** @type {() => void} */ work) {
    clearTimeout(this.#timers[name]);
    this.#timers[name] = setTimeout(work, ms);
  }
}

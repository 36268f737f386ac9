/** What a browser has and Node has not, or not always: one window, whose tabs are the clients made in it. */
import { createRequire } from "node:module";

const { Line } = createRequire(import.meta.url)("./line.cjs");

export class Window {
  lines = new Set();
  store = new Map();
  asked = []; // "POST /api/v1/auth/refresh"
  isFull = false;
  events = new EventTarget();
  queues = new Map();

  /** Put it where scripts look for it. */
  install(origin) {
    const { events, lines } = this;
    const { fetch } = globalThis;
    globalThis.fetch = (url, init = {}) => {
      this.asked.push(`${init.method ?? "GET"} ${new URL(url).pathname}`);
      return fetch(url, init);
    };
    globalThis.addEventListener = (name, listener) => events.addEventListener(name, listener);
    globalThis.localStorage = {
      getItem: (key) => this.store.get(key) ?? null,
      setItem: (key, text) => this.put(key, text),
      removeItem: (key) => this.put(key, null),
    };
    Object.defineProperty(globalThis, "navigator", {
      configurable: true,
      value: { locks: { request: (name, work) => this.queue(name, work) } },
    });
    globalThis.WebSocket = class WebSocket {
      static OPEN = 1;
      onmessage = () => undefined;
      onclose = () => undefined;

      constructor(url) {
        this.line = new Line(url, origin ? { Origin: origin } : {}, {
          opened: () => undefined,
          message: (data) => this.onmessage({ data }),
          closed: (code) => {
            lines.delete(this.line);
            this.onclose({ code });
          },
        });
        lines.add(this.line);
      }

      get readyState() {
        return this.line.isOpen ? WebSocket.OPEN : 3;
      }

      send(text) {
        this.line.send(text);
      }

      close(code) {
        this.line.close(code);
      }
    };
  }

  put(key, text) {
    if (this.isFull) throw new Error("QuotaExceededError");
    if (text === null) this.store.delete(key);
    else this.store.set(key, text);
    const event = Object.assign(new Event("storage"), { key });
    setTimeout(() => this.events.dispatchEvent(event)); // to every tab, the writing one as well: harmless
  }

  queue(name, work) {
    const turn = (this.queues.get(name) ?? Promise.resolve()).then(work);
    this.queues.set(name, turn.catch(() => undefined));
    return turn;
  }

  hide() {
    this.events.dispatchEvent(new Event("pagehide"));
  }

  show() {
    this.events.dispatchEvent(new Event("pageshow"));
  }

  online() {
    this.events.dispatchEvent(new Event("online"));
  }
}

/** The story in six steps: shown always, ticked by what really happened, and played by a pointer on request. */
import { h } from "./dom.js";
import { icon } from "./pieces.js";
import { t } from "./words.js";

const PATIENCE = 15_000;
const GLIDE = 650;
const REST = 900;

/** Which steps have happened, by the state of both sides and the facts that arrived. */
function reached({ website, mini }, flow) {
  const happened = (type) => flow.arrivals.some(({ event }) => event.type === type);
  const same = Boolean(website.me && mini.me && website.me.id === mini.me.id);
  return {
    step_website: Boolean(website.me),
    step_mini: Boolean(mini.me),
    step_same: same,
    step_name: same && happened("member.updated"),
    step_order: same && happened("order.placed"),
    step_paid: same && happened("points.earned"),
  };
}

export function story(sides, flow) {
  const done = Object.entries(reached({ website: sides.website, mini: sides["mini-program"] }, flow));
  const next = done.findIndex(([, isDone]) => !isDone);
  return h(
    "ol.story",
    { "aria-label": t("story"), testid: "story" },
    done.map(([step, isDone], index) =>
      h(
        "li",
        {
          key: step,
          "data-state": isDone ? "done" : index === next ? "next" : "later",
          "aria-current": index === next ? "step" : null,
        },
        h("span.mark", null, isDone ? icon("check") : String(index + 1)),
        h("span", null, t(step)),
      ),
    ),
  );
}

export class GuidedDemo {
  #run = 0;
  isPlaying = false;

  /** @param {{pointer: HTMLElement, fresh: () => Promise<string>, changed: (failure: string) => void}} around
   *   fresh: signs both sides out, brings a new person and answers with their name */
  constructor(around) {
    Object.assign(this, around);
  }

  async play() {
    const run = ++this.#run;
    this.isPlaying = true;
    this.changed("");
    const failure = await this.#tell(run).then(
      () => "",
      (/** @type {Error} */ error) => {
        if (error instanceof Missed) return error.message;
        throw error;
      },
    );
    if (run === this.#run) this.stop(failure);
  }

  stop(failure = "") {
    this.#run += 1;
    this.isPlaying = false;
    this.pointer.hidden = true;
    this.changed(failure);
  }

  async #tell(run) {
    const name = await this.fresh();
    const press = (selector) => this.#press(run, selector);
    const see = (selector, holds) => this.#see(run, selector, holds);
    for (const chapter of [signUp, signIn, bind, rename, order, pay]) {
      await chapter({ press, see, name, type: (selector, text) => this.#type(run, selector, text) });
      await this.#rest(run);
    }
  }

  async #press(run, selector) {
    const target = await this.#see(run, selector, (element) => !element.disabled);
    target.scrollIntoView({ block: "nearest", behavior: calm() ? "auto" : "smooth" });
    await this.#rest(run, 250);
    this.#point(target);
    await this.#rest(run, GLIDE);
    document.querySelector(selector)?.click();
    this.pointer.animate?.([{ scale: 1 }, { scale: 0.7 }, { scale: 1 }], { duration: calm() ? 0 : 220 });
  }

  async #type(run, selector, text) {
    const field = await this.#see(run, selector);
    this.#point(field);
    await this.#rest(run, GLIDE);
    field.value = text;
  }

  #point(target) {
    const { left, top, width, height } = target.getBoundingClientRect();
    this.pointer.hidden = false;
    this.pointer.style.transform = `translate(${left + width / 2}px, ${top + height / 2}px)`;
  }

  async #see(run, selector, holds = () => true, until = performance.now() + PATIENCE) {
    await this.#rest(run, 60);
    const element = /** @type {any} */ (document.querySelector(selector));
    if (element && holds(element)) return element;
    if (performance.now() > until) throw new Missed(selector.match(/"([^"]+)"\]?$/)?.[1] ?? selector);
    return this.#see(run, selector, holds, until);
  }

  async #rest(run, ms = REST) {
    await new Promise((done) => setTimeout(done, ms));
    if (run !== this.#run) throw new Missed("");
  }
}

/** What should have appeared on the page did not, or the demo was stopped. */
class Missed extends Error {}

const calm = () => matchMedia("(prefers-reduced-motion: reduce)").matches;
const by = (testid, within = "") => `${within} [data-testid="${testid}"]`.trim();

async function join({ press, see }, frame, member) {
  const found = await see(`${by("consent-agree", frame)}, ${by(member)}`);
  if (found.dataset.testid !== "consent-agree") return;
  for (const box of document.querySelectorAll(by("consent-check", frame))) if (!box.checked) box.click();
  await press(by("consent-agree", frame));
  await see(by(member));
}

async function signUp({ press, see }) {
  await press(by("website-by-phone"));
  await press(by("website-send-code"));
  await see(by("website-code"), (field) => field.value);
  await press(by("website-agree"));
  await press(by("website-sign-in"));
  await join({ press, see }, by("website"), "website-member-number");
}

async function signIn({ press, see }) {
  await press(by("mini-agree"));
  await press(by("mini-sign-in"));
  await join({ press, see }, by("mini"), "mini-member-number");
}

async function bind({ press, see }) {
  await press(by("mini-bind-phone"));
  await press(by("mini-phone-allow"));
  await see(by("mini-recognised"));
}

async function rename({ press, see, type, name }) {
  await press(by("website-nickname-edit"));
  await type(by("website-nickname-input"), name);
  await press(by("website-nickname-save"));
  await see(by("mini-nickname"), (shown) => shown.textContent === name);
}

async function order({ press, see }) {
  await press(by("mini-order"));
  await see(`${by("website-orders")} [data-status="pending_payment"]`);
}

async function pay({ press, see }) {
  await press(by("mini-pay"));
  await press(by("mini-pay-confirm"));
  await see(`${by("website-orders")} [data-testid="order"][data-status="paid"]`);
}

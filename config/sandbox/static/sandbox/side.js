/** One side of the page: a real client of the hub on its own channel, and what it knows right now. */
import { HubClient, HubError, newId } from "./hub-client.js";
import { pays } from "./flow.js";
import { asConsent, toAgreeTo } from "./policies.js";
import * as sandbox from "./sandbox.js";
import { advice, t, tag } from "./words.js";

const SETTLE = 120;

const nobody = () => ({
  me: null,
  orders: new Map(),
  points: null,
  entries: [],
  consent: null,
  sms: null,
  qr: null,
  payment: null,
  recognised: false,
  agreed: false,
  unagreed: false,
  sheet: "",
  editing: false,
});

export class Side extends EventTarget {
  /** @param {{channel: string, flow: import("./flow.js").Flow, people: import("./shop.js").People}} around */
  constructor({ channel, flow, people }) {
    super();
    Object.assign(this, { channel, flow, people, policies: null, chosen: 0, connection: "closed" });
    Object.assign(this, { busy: "", notice: "", error: "" }, nobody());
    this.client = new HubClient({ channel, language: tag, methodOverride: channel === "mini-program" });
    this.#listen();
  }

  start() {
    this.readPolicies();
    if (!this.client.signedIn) return this.#changed();
    return this.act("load", async () => {
      await this.load();
      this.client.live();
    });
  }

  /** Run one act of the person: busy while it lasts, and its refusal turned into advice. */
  async act(name, work) {
    if (this.busy) return;
    Object.assign(this, { busy: name, error: "", notice: "" });
    this.#changed();
    try {
      await work();
    } catch (error) {
      if (!(error instanceof HubError)) throw error;
      await this.#refused(error);
    } finally {
      this.busy = "";
      this.#changed();
    }
  }

  /** As if nobody had stood here before. */
  forget() {
    this.set({ ...nobody(), way: "phone", error: "", notice: "" });
  }

  set(fields) {
    Object.assign(this, fields);
    this.#changed();
  }

  // --- signing in ---------------------------------------------------------------------------------------------
  sendCode(phone) {
    return this.act("send-code", async () => {
      this.people.change({ phone });
      const challenge = await this.client.sendCode(phone);
      this.set({ sms: { ...challenge, phone, code: "", until: Date.now() + challenge.resend_in * 1000 } });
      const code = await sandbox.smsCode(phone, challenge.challenge_id);
      this.set({ sms: { ...this.sms, code, missing: !code } });
    });
  }

  signInByPhone(code) {
    return this.#signIn((consents) => this.client.signInByPhone(this.sms?.challenge_id ?? "", code, consents));
  }

  signInByWechat() {
    return this.#signIn(async (consents) => {
      const code = await sandbox.personsCode(this.people, this.people.current, "login-code");
      await this.client.signInByMiniProgram(code, consents);
    });
  }

  startQr() {
    return this.act("qr", async () => this.set({ qr: await this.client.startQr() }));
  }

  scanQr(person) {
    return this.#signIn(async (consents) => {
      const { state, verifier } = this.qr;
      const code = await sandbox.personsCode(this.people, person, "qr-code");
      await this.client.finishQr({ code, state, verifier }, consents).catch(async (error) => {
        this.qr = await this.client.startQr(); // a code is good for one try
        throw error;
      });
    });
  }

  /** What this channel's members agree to, in the reader's language. */
  readPolicies() {
    return this.#read("policies");
  }

  /** What the hub misses, and what was ticked before that still stands. */
  agree() {
    return this.act("agree", async () => {
      const { registration_token: token, required } = this.consent;
      const still = this.policies.filter(({ purpose }) => !required.some((policy) => policy.purpose === purpose));
      await this.client.register(token, [...required, ...still].map(asConsent));
      await this.#entered();
    });
  }

  bindPhone() {
    return this.act("bind", async () => {
      const { wechat, phone } = this.people.current;
      await sandbox.wechatUser({ app_id: wechat.app_id, openid: wechat.openid, unionid: wechat.unionid, phone });
      const session = await this.client.bindWechatPhone(await sandbox.wechatCode(wechat.openid, "phone-code"));
      this.sheet = "";
      await this.#entered();
      this.recognised = session.linked;
      if (session.link_case) this.notice = t("case_note", { id: session.link_case.id.slice(-6) });
    });
  }

  signOut() {
    return this.act("sign-out", () => this.client.signOut());
  }

  // --- being a member -----------------------------------------------------------------------------------------
  rename(nickname) {
    return this.act("rename", async () => {
      this.#know(await this.client.patchMe({ nickname }));
      this.editing = false;
    });
  }

  order(product) {
    return this.act("order", async () => {
      const requestId = newId();
      this.flow.began(this.channel, requestId);
      this.#know(await sandbox.placeOrder(this.channel, { memberId: this.me.id, product, requestId }));
    });
  }

  pay(order) {
    return this.act("pay", async () => {
      const payment = await this.client.pay(order.number, this.#method());
      this.set({ payment: { ...payment, order, done: false }, sheet: "payment" });
    });
  }

  confirmPayment() {
    return this.act("confirm", async () => {
      const { payment_id: id, order } = this.payment;
      const requestId = newId();
      this.flow.began(this.channel, requestId);
      this.flow.expect(this.channel, pays(order.number));
      await sandbox.payInWechat(id, requestId);
      if (this.payment) this.payment.done = true;
    });
  }

  async load() {
    const [me, orders, points, entries] = await Promise.all([
      this.client.me(),
      this.client.orders(),
      this.client.points(),
      this.client.pointEntries(5),
    ]);
    this.orders = new Map(orders.results.map((order) => [order.number, order]));
    Object.assign(this, { me, points, entries: entries.results });
    this.#changed();
  }

  /** The member is known on another channel too, by what the hub says of their identities. */
  get isShared() {
    return this.recognised || (this.me?.identities ?? []).some(({ channel }) => channel && channel !== this.channel);
  }

  // --- what the hub tells -------------------------------------------------------------------------------------
  #listen() {
    const on = (name, work) => this.client.addEventListener(name, ({ detail }) => work(detail));
    on("request", ({ requestId, method }) => method !== "GET" && this.flow.began(this.channel, requestId));
    on("connection", (connection) => this.set({ connection }));
    on("event", (event) => this.#arrived(event));
    on("resync", () => this.#refresh("all"));
    on("session", (session) => session ?? location.reload());
    on("signedout", (reason) => this.#left(reason));
  }

  #arrived(event) {
    this.flow.arrived(this.channel, event);
    const [kind] = event.type.split(".");
    if (event.type === "member.merged") this.#merged(event.data);
    else if (kind === "order" && event.data.status) this.#know(event.data);
    else if (kind === "points" || kind === "tier") this.#balance(event);
    else if (kind === "member") this.#refresh("me");
    this.#changed();
  }

  /** Another member became part of this one; the other way round the client signs out or goes on by itself. */
  #merged({ into_id: into }) {
    if (into !== this.me?.id) return;
    this.recognised = true;
    this.#refresh("all");
  }

  #balance({ data }) {
    const balance = data.balance;
    if (balance && this.points && balance.version > this.points.version) this.points = { ...this.points, ...balance };
    this.#refresh("points");
  }

  /** Of two versions of a thing the greater is true; an order or the member itself. */
  #know(thing) {
    const before = thing.number && thing.lines ? this.orders.get(thing.number) : this.me;
    if (before && before.version >= thing.version) return;
    if (!thing.lines) this.me = thing;
    else this.orders = new Map([...this.orders, [thing.number, { ...before, ...thing }]]);
    if (thing.payment_status === "paid" && this.payment?.order.number === thing.number)
      Object.assign(this, { payment: null, sheet: "" });
  }

  #waiting = {};

  /** Several events of one act are one reading. */
  #refresh(what) {
    clearTimeout(this.#waiting[what]);
    this.#waiting[what] = setTimeout(() => this.client.signedIn && this.#read(what), what === "me" ? 0 : SETTLE);
  }

  async #read(what) {
    try {
      if (what === "all") await this.load();
      else if (what === "policies") this.policies = toAgreeTo((await this.client.policies()).results);
      else if (what === "me") this.#know(await this.client.me());
      else await this.#readPoints();
    } catch (error) {
      if (!(error instanceof HubError)) throw error;
      this.error = advice(error);
    }
    this.#changed();
  }

  async #readPoints() {
    const [points, entries] = await Promise.all([this.client.points(), this.client.pointEntries(5)]);
    Object.assign(this, { points, entries: entries.results });
  }

  /** Nobody is signed in unasked: without the tick the page says what is missing, and nothing is sent. */
  #signIn(work) {
    if (!this.policies) return this.readPolicies();
    if (this.policies.length && !this.agreed) return this.set({ unagreed: true, error: t("agree_first"), notice: "" });
    return this.act("sign-in", async () => {
      await work(this.policies.map(asConsent));
      await this.#entered();
    });
  }

  async #entered() {
    Object.assign(this, nobody());
    await this.load();
    this.client.live();
  }

  #left(reason) {
    Object.assign(this, nobody());
    const told = { signed_out: "", merged: t("error_merged") };
    this.set({ error: told[reason] ?? t("error_session") });
  }

  async #refused(error) {
    if (error.code === "consent_required") return this.set({ consent: error.problem, sms: null });
    this.error = advice(error);
    if (error.code === "code_invalid" && this.consent) this.consent = null;
    if (error.code === "version_conflict" || error.code === "order_state") await this.#read("all");
  }

  #method() {
    const payer = (this.me.identities ?? []).some(
      ({ kind, channel }) => kind === "wechat_openid" && channel === this.channel,
    );
    return this.channel === "mini-program" && payer ? "wechat_jsapi" : "wechat_native";
  }

  #changed() {
    this.dispatchEvent(new Event("change"));
  }
}

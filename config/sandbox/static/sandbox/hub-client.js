/**
 * A member's client of the hub: sign-in, tokens, REST and the live socket. No framework, no build.
 * Events: `request` {requestId, method, path} · `session` (the session answer, null when another tab signed in)
 * · `signedout` (reason) · `connection` ("connecting" | "live" | "reconnecting" | "closed")
 * · `event` (a CloudEvent) · `resync` (head: fetch everything anew).
 *
 * @typedef {{purpose: string, version: string}} Consent
 * @typedef {{access_token: string, refresh_token: string, expires_in: number, refresh_expires_in: number}} Tokens
 * @typedef {{id: string, type: string, source: string, subject: string, time: string, sequence: string,
 *   correlationid?: string, data: any}} CloudEvent
 * @typedef {{tokens: Tokens, member: any, head: number, created: boolean, linked: boolean,
 *   absorbed_member_id: string|null, link_case: any, assurance: number}} Session
 * @typedef {{body?: any, key?: string, headers?: Record<string, string>, as?: "member"|"channel"|"nobody",
 *   requestId?: string}} Options
 */
import { HubError, read } from "./hub-error.js";
import { LiveSocket } from "./live-socket.js";

export { HubError };
const ANSWER_WITHIN = 12_000;
const noConsents = /** @type {Consent[]} */ ([]);
const pause = (/** @type {number} */ ms) => new Promise((done) => setTimeout(done, ms));
export const newId = () => globalThis.crypto?.randomUUID?.() ?? `${Date.now()}-${Math.random().toString(36).slice(2)}`;

export class HubClient extends EventTarget {
  #etag = "";
  #linking = 0;
  /** @type {Promise<void>|null} */ #refreshing = null;
  /** @type {LiveSocket|null} */ #live = null;

  /**
   * @param {{channel: string, base?: string, storage?: Storage, language?: () => string,
   *   methodOverride?: boolean}} settings methodOverride: send PATCH as POST, for clients that have no PATCH
   */
  constructor(settings) {
    super();
    this.channel = settings.channel;
    this.base = settings.base ?? "/api/v1";
    this.storage = settings.storage ?? globalThis.localStorage;
    this.language = settings.language ?? (() => "zh-hans");
    this.methodOverride = settings.methodOverride ?? false;
    this.place = `hub.${this.channel}`;
    globalThis.addEventListener?.("storage", (event) => event.key === this.place && this.#otherTab(event));
  }

  get signedIn() {
    return this.#held() !== null;
  }

  // --- signing in ---------------------------------------------------------------------------------------------
  policies() {
    return this.request("GET", "policies", { as: "channel" });
  }

  /** @param {string} phone @returns {Promise<{challenge_id: string, expires_in: number, resend_in: number}>} */
  sendCode(phone) {
    return this.request("POST", "auth/sms-codes", { body: { phone, purpose: "sign_in" }, as: "channel" });
  }

  /** Throws `consent_required` with `problem.required` and `problem.registration_token`: go on with `register`. */
  signInByPhone(/** @type {string} */ challengeId, /** @type {string} */ code, consents = noConsents) {
    return this.#signIn("auth/phone", { challenge_id: challengeId, code, consents });
  }

  signInByMiniProgram(/** @type {string} */ code, consents = noConsents) {
    return this.#signIn("auth/wechat/mini-program", { code, consents });
  }

  /** @returns {Promise<{authorize_url: string, state: string, verifier: string, expires_in: number}>} */
  startQr() {
    return this.request("POST", "auth/wechat/website/start", { body: {}, as: "channel" });
  }

  finishQr(/** @type {{code: string, state: string, verifier: string}} */ proof, consents = noConsents) {
    return this.#signIn("auth/wechat/website", { ...proof, consents });
  }

  register(/** @type {string} */ registrationToken, /** @type {Consent[]} */ consents) {
    return this.#signIn("auth/register", { registration_token: registrationToken, consents });
  }

  /** WeChat's phone component: `linked` says the phone's owner and this member are one from now on. */
  bindWechatPhone(/** @type {string} */ code) {
    return this.#link("auth/wechat/phone", { code });
  }

  linkPhone(/** @type {string} */ challengeId, /** @type {string} */ code) {
    return this.#link("auth/phone/link", { challenge_id: challengeId, code });
  }

  async signOut() {
    await this.request("POST", "auth/logout").catch((error) => {
      if (error.status !== 401) throw error;
    });
    this.#forget("signed_out");
  }

  // --- the member ---------------------------------------------------------------------------------------------
  me() {
    return this.request("GET", "me");
  }

  /** Changes only what was last read: `version_conflict` carries `problem.current`. */
  async patchMe(/** @type {Record<string, any>} */ changes) {
    if (!this.#etag) await this.me();
    const headers = { "If-Match": this.#etag };
    if (!this.methodOverride) return this.request("PATCH", "me", { body: changes, headers });
    return this.request("POST", "me", { body: changes, headers: { ...headers, "X-HTTP-Method-Override": "PATCH" } });
  }

  orders(limit = 20) {
    return this.request("GET", `me/orders?limit=${limit}`);
  }

  /** @param {string} number @param {"wechat_jsapi"|"wechat_native"|"wechat_h5"} method */
  pay(number, method, key = newId()) {
    return this.request("POST", `me/orders/${number}/payments`, { body: { method }, key });
  }

  points() {
    return this.request("GET", "me/points");
  }

  pointEntries(limit = 20) {
    return this.request("GET", `me/points/entries?limit=${limit}`);
  }

  // --- the live socket ----------------------------------------------------------------------------------------
  /** Opens the socket and keeps it open, from the last sequence seen; nothing is lost or told twice. */
  live() {
    this.#live ??= new LiveSocket({
      ticket: () => this.request("POST", "ws-tickets"),
      position: () => this.#held() ?? { sequence: 0, memberId: "" },
      moved: (sequence, memberId) => this.#keep({ ...this.#held(), sequence, ...(memberId && { memberId }) }),
      tell: (name, detail) => (name === "event" ? this.#arrived(detail) : this.#tell(name, detail)),
      revoked: (token) => this.#revoked(token),
    });
    this.#live.start();
  }

  stopLive() {
    this.#live?.stop();
  }

  // --- the wire -----------------------------------------------------------------------------------------------
  /**
   * One call, or a HubError. A `key` makes it safe to repeat, so it is repeated once when no answer came.
   * @param {string} method @param {string} path below the base @param {Options} options
   */
  async request(method, path, { body, key = "", headers = {}, as = "member", requestId = newId() } = {}) {
    const call = { method, path, body, headers: { ...headers }, as, requestId, token: "" };
    if (key) call.headers["Idempotency-Key"] = key;
    this.#tell("request", { requestId, method, path });
    try {
      return await this.#sendSignedIn(call);
    } catch (error) {
      if (!(error instanceof HubError) || !error.mayRepeat || (method !== "GET" && !key)) throw error;
      await pause(Math.max(400, error.retryAfter * 1000));
      return this.#sendSignedIn(call);
    }
  }

  async #sendSignedIn(/** @type {any} */ call) {
    try {
      return await this.#send(call);
    } catch (error) {
      if (call.as !== "member" || !(error instanceof HubError) || error.status !== 401) throw error;
      await this.#renewAfter(error, call.token);
      return this.#send(call);
    }
  }

  async #send(/** @type {any} */ call) {
    if (call.as === "member") call.token = this.#held()?.tokens.access_token ?? "";
    const init = {
      method: call.method,
      headers: this.#headers(call),
      signal: AbortSignal.timeout(ANSWER_WITHIN),
      body: JSON.stringify(call.body),
    };
    const response = await fetch(`${this.base}/${call.path}`, init).catch(() => {
      throw new HubError(0, null, call.requestId);
    });
    const answer = await read(response, call.requestId);
    if (call.path === "me") this.#etag = response.headers.get("ETag") ?? "";
    return answer;
  }

  #headers(/** @type {any} */ call) {
    const proof = call.as === "member" ? { Authorization: `Bearer ${call.token}` } : { "X-Channel": this.channel };
    return {
      Accept: "application/json",
      "Accept-Language": this.language(),
      "X-Request-ID": call.requestId,
      ...(call.as === "nobody" ? {} : proof),
      ...(call.body === undefined ? {} : { "Content-Type": "application/json" }),
      ...call.headers,
    };
  }

  // --- tokens -------------------------------------------------------------------------------------------------
  async #signIn(/** @type {string} */ path, /** @type {any} */ body) {
    return this.#adopt(await this.request("POST", path, { body, as: "channel" }));
  }

  /** The old session may be closed before the answer with the new one is here: that is no sign-out. */
  async #link(/** @type {string} */ path, /** @type {any} */ body) {
    this.#linking += 1;
    try {
      return this.#adopt(await this.request("POST", path, { body }));
    } catch (error) {
      this.#live?.reopen();
      throw error;
    } finally {
      this.#linking -= 1;
    }
  }

  #adopt(/** @type {Session} */ session) {
    this.#etag = "";
    this.#keep({ tokens: session.tokens, memberId: session.member.id, sequence: session.head });
    this.#tell("session", session);
    this.#live?.restart();
    return session;
  }

  /** Another tab may hold newer tokens already; only an expired token of our own is exchanged. */
  async #renewAfter(/** @type {HubError} */ error, /** @type {string} */ stale) {
    if (this.#held()?.tokens.access_token !== stale) return;
    if (error.code !== "token_expired") {
      if (!this.#linking) this.#forget(error.code);
      throw error;
    }
    this.#refreshing ??= this.#alone(() => this.#refresh(stale)).finally(() => (this.#refreshing = null));
    await this.#refreshing;
  }

  #alone(/** @type {() => Promise<void>} */ work) {
    return globalThis.navigator?.locks ? navigator.locks.request(`${this.place}.refresh`, work) : work();
  }

  /** A lost answer is asked for again: the hub returns the same successor for 60 s. @returns {Promise<void>} */
  async #refresh(/** @type {string} */ stale, tries = 3) {
    const held = this.#held();
    if (!held || held.tokens.access_token !== stale) return;
    const body = { refresh_token: held.tokens.refresh_token };
    try {
      const tokens = await this.#send({ method: "POST", path: "auth/refresh", body, as: "nobody", requestId: newId() });
      this.#keep({ ...this.#held(), tokens });
    } catch (error) {
      const again = error instanceof HubError && error.mayRepeat && tries > 1;
      if (again) return pause(700).then(() => this.#refresh(stale, tries - 1));
      if (error instanceof HubError && error.status === 401) this.#forget(error.code);
      throw error;
    }
  }

  #revoked(/** @type {string} */ token) {
    const held = this.#held();
    if (held && held.tokens.access_token !== token) this.#live?.reopen();
    else if (!this.#linking) this.#forget("token_revoked");
  }

  /** After a merge of this member into another only the linking call's own new tokens go on. */
  #arrived(/** @type {CloudEvent} */ event) {
    this.#tell("event", event);
    if (event.type !== "member.merged" || event.data.from_id !== this.#held()?.memberId) return;
    if (this.#linking) this.#live?.hold();
    else this.#forget("merged");
  }

  #otherTab(/** @type {StorageEvent} */ event) {
    if (!event.newValue) return this.#forget("signed_out");
    if (JSON.parse(event.oldValue ?? "{}").memberId === JSON.parse(event.newValue).memberId) return;
    this.#etag = "";
    this.#tell("session", null);
    this.#live?.restart();
  }

  /** @returns {{tokens: Tokens, memberId: string, sequence: number}|null} */
  #held() {
    return JSON.parse(this.storage.getItem(this.place) ?? "null");
  }

  /** A position alone, after a sign-out, is nothing to keep. */
  #keep(/** @type {any} */ record) {
    if (record.tokens) this.storage.setItem(this.place, JSON.stringify(record));
  }

  #forget(/** @type {string} */ reason) {
    this.#etag = "";
    this.storage.removeItem(this.place);
    this.#live?.stop();
    this.#tell("signedout", reason);
  }

  #tell(/** @type {string} */ name, /** @type {any} */ detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }
}

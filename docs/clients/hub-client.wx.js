/**
 * A member's client of the hub, for WeChat mini-programs: one CommonJS file over wx.request, wx.uploadFile,
 * wx.connectSocket and wx storage. It is the twin of `hub-client.js`, with the same methods; to have its types, copy
 * it as `hub-client.js` beside `hub-client.d.ts`.
 *
 *   const { HubClient } = require("./hub-client");
 *   const hub = new HubClient({ channel: "mini-program", base: "https://hub.example/api/v1" });
 *   hub.on("event", (event) => …);          // every event of the member once, in sequence
 *   hub.on("resync", () => …);              // read the current state anew
 *   await hub.signInByMiniProgram();        // wx.login and its code; `consent_required` where somebody is new
 *   hub.live.start();
 *
 * Make one for the whole app, in app.js. White-list the hub in the mini-program's settings: https for request and
 * uploadFile, wss for socket. Not more than 10 requests run at once, the others wait; in the background everything
 * rests, as WeChat would interrupt it after 5 s, and goes on in front.
 */

// --- the core: from here to its end the same in both files, and no newer than ECMAScript 2018 -----------------------

const ANSWER_WITHIN = 15000; // ms; the hub itself gives up after 10 s
const TRIES = 4; // of one call that may be repeated
const FIRST_PAUSE = 500; // ms, doubled with every try
const LONGEST_PAUSE = 8000; // ms between the tries of a call
const PATIENCE = 10; // seconds; a call that is asked to wait longer fails and says how long
const SUCCESSOR_WITHIN = 45000; // ms; for 60 s the hub gives the same successor of a refresh token again
const ANSWERS_NOT_KEPT = /^(auth\/|ws-tickets$|me\/codes$|me\/avatar$|link-cases\/)/; // never repeated by itself
const RENEWABLE = ["token_expired", "not_authenticated"];
const PASSING = [0, 502, 503, 504]; // statuses
const AWAITED = ["idempotency_key_in_flight", "rate_limited"];

const LONGEST_AWAY = 30000; // ms between tries to open the socket
const HELLO_WITHIN = 15000; // ms
const SILENCE = 55000; // ms; the hub pings every 25 s
const FRESH = 30000; // ms; a line that was heard within is taken for good
const ACKNOWLEDGE_AFTER = 250; // ms
const CROWDED = 4429;

const pause = (ms) => new Promise((done) => setTimeout(done, ms));

/** Between 20 % and all of a pause that doubles: clients that were cut off together do not come back together. */
function jittered(tried, longest) {
  return Math.min(longest, FIRST_PAUSE * Math.pow(2, tried)) * (0.2 + 0.8 * Math.random());
}

/**
 * What the hub refused, by `code` (API §8); `network` with status 0 when no answer came. `isPassing`: nobody knows
 * whether it was done, or a little later it may be; safe to repeat what has no second effect.
 */
class HubError extends Error {
  constructor(status, problem, requestId, retryAfter) {
    const told = problem || {};
    super(told.detail || told.title || (status ? "HTTP " + status : "No answer"));
    this.name = "HubError";
    this.status = status;
    this.code = told.code || codeOf(status);
    this.title = told.title || "";
    this.detail = told.detail || "";
    this.errors = told.errors || [];
    this.requestId = told.request_id || requestId || "";
    this.retryAfter = retryAfter === undefined ? null : retryAfter;
    this.problem = told;
    this.isPassing = PASSING.indexOf(status) >= 0 || AWAITED.indexOf(this.code) >= 0;
  }
}

function codeOf(status) {
  if (status === 0) return "network";
  if (status === 504) return "timeout";
  return status === 502 || status === 503 ? "unavailable" : "internal";
}

/** Seconds, of a number or a date. */
function secondsOf(retryAfter) {
  if (!retryAfter) return undefined;
  const seconds = Number(retryAfter);
  if (!isNaN(seconds)) return Math.max(0, seconds);
  const at = Date.parse(retryAfter);
  return isNaN(at) ? undefined : Math.max(0, Math.ceil((at - Date.now()) / 1000));
}

function queryOf(fields) {
  const pairs = Object.keys(fields || {})
    .filter((name) => fields[name] !== undefined && fields[name] !== null)
    .map((name) => encodeURIComponent(name) + "=" + encodeURIComponent(fields[name]));
  return pairs.length ? "?" + pairs.join("&") : "";
}

/** Lets so many pass at once and the others wait in line; shut, nobody passes. */
class Gate {
  constructor(most) {
    this.most = most;
    this.isOpen = true;
    this.inside = 0;
    this.waiting = [];
  }

  pass(work, isUrgent) {
    return new Promise((resolve, reject) => {
      const turn = () => Promise.resolve().then(work).then(resolve, reject);
      if (isUrgent) this.waiting.unshift(turn);
      else this.waiting.push(turn);
      this.admit();
    });
  }

  set(isOpen) {
    this.isOpen = isOpen;
    this.admit();
  }

  admit() {
    while (this.isOpen && this.inside < this.most && this.waiting.length) {
      this.inside += 1;
      this.waiting.shift()().then(() => this.left());
    }
  }

  left() {
    this.inside -= 1;
    this.admit();
  }
}

/** A list that is read page by page, as far as somebody reads. */
class CursorList {
  constructor(client, path, query) {
    this.client = client;
    this.path = path;
    this.query = query || {};
  }

  /** One page; `next` and `previous` are cursors. Nothing but the cursor is taken from the hub's links. */
  async page(cursor) {
    const query = Object.assign({}, this.query, cursor ? { cursor } : {});
    const answer = await this.client.request("GET", this.path, { query });
    return { results: answer.results, next: cursorOf(answer.next), previous: cursorOf(answer.previous) };
  }

  async toArray(most) {
    const found = [];
    let page = await this.page();
    found.push(...page.results);
    while (page.next && !(found.length >= most)) {
      page = await this.page(page.next);
      found.push(...page.results);
    }
    return found.slice(0, most);
  }

  [Symbol.asyncIterator]() {
    return inTurn(async (page) => (page && !page.next ? null : this.page(page && page.next)));
  }
}

function cursorOf(link) {
  const found = link && /[?&]cursor=([^&]*)/.exec(link);
  return found ? decodeURIComponent(found[1]) : null;
}

/** An async iterator over the results of pages; `following(page)` gets the page after this one, null at the end. */
function inTurn(following) {
  let page = null;
  let at = 0;
  const iterator = {
    async next() {
      while (page === null || at >= page.results.length) {
        page = await following(page);
        at = 0;
        if (!page) {
          iterator.next = async () => ({ done: true, value: undefined });
          return iterator.next();
        }
      }
      return { done: false, value: page.results[at++] };
    },
    [Symbol.asyncIterator]: () => iterator,
  };
  return iterator;
}

class Emitter {
  constructor() {
    this._listeners = {};
  }

  /** Hear of `session`, `signedout`, `connection`, `event`, `resync`, `error`. Returns how to stop hearing. */
  on(name, listener) {
    this._listeners[name] = (this._listeners[name] || []).concat([listener]);
    return () => {
      this._listeners[name] = this._listeners[name].filter((other) => other !== listener);
    };
  }

  /** Settles when every listener has; one that fails stops nobody else. */
  _tell(name, detail) {
    const heard = async (listener) => listener(detail);
    const listeners = this._listeners[name] || [];
    return Promise.all(listeners.map((each) => heard(each).catch((error) => this._failed(error, name))));
  }

  _failed(error, name) {
    if (name !== "error" && (this._listeners.error || []).length) return this._tell("error", error);
    return console.error(error);
  }
}

class HubClient extends Emitter {
  constructor(settings) {
    super();
    this.channel = settings.channel;
    this.base = (settings.base || "/api/v1").replace(/\/+$/, "");
    this.language = settings.language || "zh-hans";
    this._port = openPort(settings);
    this._place = "hub." + this.channel;
    this._memory = {};
    this._etag = "";
    this._gate = new Gate(settings.atOnce || this._port.atOnce);
    this._turn = Promise.resolve();
    this._refreshing = null;
    this._known = this.memberId; // to this page
    this.live = new Live(this);
    this._port.watch({
      hidden: () => this._hidden(),
      shown: () => this._shown(),
      online: () => this.live._wake(),
      stored: (key) => (key === this._place || key === null) && this._otherTab(),
    });
  }

  get signedIn() {
    return this._session() !== null;
  }

  get memberId() {
    const session = this._session();
    return session ? session.member_id : null;
  }

  // --- signing in. Where consent is missing: `consent_required`, with `problem.required` and the token for `register`.
  policies() {
    return this.request("GET", "policies", { as: "channel" });
  }

  /** `purpose` sign_in or link with a phone; step_up goes to the member's own phone and needs none. */
  sendCode(purpose, phone, captcha) {
    const as = purpose === "sign_in" ? "channel" : "member";
    return this.request("POST", "auth/sms-codes", { body: { purpose, phone, captcha }, as });
  }

  signInByPhone(challengeId, code, consents) {
    return this._signIn("auth/phone", { challenge_id: challengeId, code, consents: consents || [] });
  }

  /** In a mini-program `code` may be left out: it comes from wx.login. */
  async signInByMiniProgram(consents, code) {
    const given = code || (await this._port.login());
    return this._signIn("auth/wechat/mini-program", { code: given, consents: consents || [] });
  }

  /** Go to `authorize_url` then; the verifier stays in this browser until WeChat has sent the visitor back. */
  async startWebsiteSignIn() {
    const begun = await this.request("POST", "auth/wechat/website/start", { body: {}, as: "channel" });
    this._write(this._place + ".website", { state: begun.state, verifier: begun.verifier });
    return begun;
  }

  /** With the `code` and `state` of the address WeChat sent the visitor back to. */
  finishWebsiteSignIn(returned, consents) {
    const begun = this._read(this._place + ".website") || {};
    const verifier = returned.verifier || (begun.state === returned.state ? begun.verifier : "") || "";
    this._write(this._place + ".website", null);
    const body = { code: returned.code, state: returned.state, verifier, consents: consents || [] };
    return this._signIn("auth/wechat/website", body);
  }

  register(registrationToken, consents) {
    return this._signIn("auth/register", { registration_token: registrationToken, consents });
  }

  /** With a grant that the channel's own backend asked for: no second SMS for who is signed in there. */
  signInByGrant(grant) {
    return this._signIn("auth/grant", { grant });
  }

  linkPhone(challengeId, code) {
    return this._replace("POST", "auth/phone/link", { challenge_id: challengeId, code });
  }

  /** With the code of the button `getPhoneNumber`. */
  linkWechatPhone(code) {
    return this._replace("POST", "auth/wechat/phone", { code });
  }

  changePhone(challengeId, code) {
    return this._replace("PUT", "me/phone", { challenge_id: challengeId, code });
  }

  stepUp(challengeId, code) {
    return this.request("POST", "auth/step-up", { body: { challenge_id: challengeId, code } });
  }

  linkCase(id) {
    return this.request("GET", "link-cases/" + id);
  }

  sendLinkCaseCode(id, kind) {
    return this.request("POST", "link-cases/" + id + "/challenges", { body: { kind } });
  }

  proveLinkCase(id, proof) {
    return this._replace("POST", "link-cases/" + id + "/proofs", proof);
  }

  declineLinkCase(id) {
    return this.request("POST", "link-cases/" + id + "/decline");
  }

  async signOut() {
    await this.request("POST", "auth/logout").catch((error) => {
      if (error.status !== 401) throw error;
    });
    this._forget("signed_out");
  }

  sessions(query) {
    return new CursorList(this, "me/sessions", query);
  }

  endSession(id) {
    return this.request("DELETE", "me/sessions/" + id);
  }

  // --- the member
  async me() {
    return this._seen(await this._call("GET", "me"));
  }

  /** Changes only what was last read; `version_conflict` carries `problem.current`, and the next change reads anew. */
  async updateMe(changes) {
    if (!this._etag) await this.me();
    const headers = { "If-Match": this._etag };
    this._etag = "";
    return this._seen(await this._call("PATCH", "me", { body: changes, headers }));
  }

  /** A Blob or File in a browser, the path of a temporary file in a mini-program; JPEG, PNG or WebP up to 2 MiB. */
  async uploadAvatar(file) {
    return this._seen(await this._call("POST", "me/avatar", { file }));
  }

  addresses(query) {
    return new CursorList(this, "me/addresses", query);
  }

  address(id) {
    return this.request("GET", "me/addresses/" + id);
  }

  addAddress(address, options) {
    return this.request("POST", "me/addresses", keyed(address, options));
  }

  updateAddress(id, changes) {
    return this.request("PATCH", "me/addresses/" + id, { body: changes });
  }

  removeAddress(id) {
    return this.request("DELETE", "me/addresses/" + id);
  }

  removeIdentity(id) {
    return this.request("DELETE", "me/identities/" + id);
  }

  consents() {
    return this.request("GET", "me/consents");
  }

  giveConsent(consent, options) {
    return this.request("POST", "me/consents", keyed(consent, options));
  }

  withdrawConsent(purpose) {
    return this.request("DELETE", "me/consents/" + encodeURIComponent(purpose));
  }

  requestExport(options) {
    return this.request("POST", "me/exports", keyed(undefined, options));
  }

  exportOf(id) {
    return this.request("GET", "me/exports/" + id);
  }

  requestErasure(options) {
    return this.request("POST", "me/erasure", keyed(undefined, options));
  }

  cancelErasure() {
    return this.request("DELETE", "me/erasure");
  }

  // --- orders, points, what is shown at a till
  orders(query) {
    return new CursorList(this, "me/orders", query);
  }

  order(number) {
    return this.request("GET", "me/orders/" + encodeURIComponent(number));
  }

  /** `params` of the answer go to wx.requestPayment, a QR code or a redirect, as the method asks. */
  pay(number, method, options) {
    return this.request("POST", "me/orders/" + encodeURIComponent(number) + "/payments", keyed({ method }, options));
  }

  cancelOrder(number, options) {
    return this.request("POST", "me/orders/" + encodeURIComponent(number) + "/cancel", keyed(undefined, options));
  }

  confirmReceipt(number, options) {
    return this.request("POST", "me/orders/" + encodeURIComponent(number) + "/receipt", keyed(undefined, options));
  }

  requestRefund(number, refund, options) {
    return this.request("POST", "me/orders/" + encodeURIComponent(number) + "/refunds", keyed(refund, options));
  }

  points() {
    return this.request("GET", "me/points");
  }

  pointEntries(query) {
    return new CursorList(this, "me/points/entries", query);
  }

  memberCode() {
    return this.request("POST", "me/codes");
  }

  noticeTemplates() {
    return this.request("GET", "me/notices/templates");
  }

  answerNotice(templateId, result, options) {
    return this.request("POST", "me/notices", keyed({ template_id: templateId, result }, options));
  }

  /** The member's events after a sequence, or from the oldest kept, to the head. May throw `resync_required`. */
  events(after) {
    return inTurn(async (page) => {
      const last = page && page.results[page.results.length - 1];
      if (page && (!last || Number(last.sequence) >= page.head)) return null;
      return this.request("GET", "me/events", { query: { after: last ? last.sequence : after, limit: 100 } });
    });
  }

  // --- the wire
  /**
   * One call: its JSON, or a HubError. GETs and POSTs with an idempotency key are repeated while no answer comes; a
   * POST gets a key by itself where the hub keeps answers. Give your own `key` to repeat it after a restart.
   */
  async request(method, path, options) {
    return (await this._call(method, path, options)).data;
  }

  async _call(method, path, options) {
    const call = this._prepared(method, path, options || {});
    for (let tried = 1; ; tried += 1) {
      try {
        return await this._signedIn(call);
      } catch (error) {
        const isOver = !error.isPassing || !call.isRepeatable || tried === TRIES;
        if (isOver || error.retryAfter > PATIENCE) throw error;
        await pause((error.retryAfter || 0) * 1000 + jittered(tried - 1, LONGEST_PAUSE));
      }
    }
  }

  _prepared(method, path, { body, query, headers, key, as, file, replaces }) {
    const isKept = method === "POST" && !ANSWERS_NOT_KEPT.test(path) && !file;
    const own = Object.assign({ "X-Request-ID": newId() }, headers);
    if (isKept || key) own["Idempotency-Key"] = key || newId();
    if (body !== undefined) own["Content-Type"] = "application/json";
    const isOverridden = method === "PATCH" && !this._port.hasPatch;
    if (isOverridden) own["X-HTTP-Method-Override"] = "PATCH";
    return {
      method: isOverridden ? "POST" : method,
      url: this.base + "/" + path + queryOf(query),
      headers: own,
      body: body === undefined ? undefined : JSON.stringify(body),
      file,
      as: as || "member",
      replaces: Boolean(replaces),
      isRepeatable: method === "GET" || isKept,
    };
  }

  async _signedIn(call) {
    for (let renewals = 0; ; renewals += 1) {
      const token = call.as === "member" ? this._token() : "";
      if (call.as === "member" && !token) throw new HubError(401, { code: "not_authenticated" });
      try {
        return await this._transmit(call, token);
      } catch (error) {
        if (call.as !== "member" || error.status !== 401 || renewals === 2) throw error;
        await this._afterRefusal(error, token, call).catch((failure) => {
          call.isRepeatable = false; // the refresh was repeated enough
          throw failure;
        });
      }
    }
  }

  async _transmit(call, token) {
    const headers = Object.assign({ Accept: "application/json", "Accept-Language": this.language }, call.headers);
    if (call.as === "channel") headers["X-Channel"] = this.channel;
    if (token) headers.Authorization = "Bearer " + token;
    const { method, url, body, file } = call;
    const asked = { method, url, headers, body, file, within: ANSWER_WITHIN };
    const requestId = headers["X-Request-ID"];
    let answer;
    try {
      answer = await this._gate.pass(() => (file ? this._port.upload(asked) : this._port.send(asked)), call.isUrgent);
    } catch (reason) {
      throw new HubError(0, { code: "network", detail: String((reason && reason.message) || reason) }, requestId);
    }
    return read(answer, requestId);
  }

  // --- tokens. They change one at a time, in this page and its other tabs, and are kept before anything uses them.
  _signIn(path, body) {
    return this._alone(async () => this._adopt(await this.request("POST", path, { body, as: "channel" })));
  }

  _replace(method, path, body) {
    return this._alone(async () => this._adopt(await this.request(method, path, { body, replaces: true })));
  }

  _alone(work) {
    const turn = this._turn.then(() => this._port.alone(this._place, work));
    this._turn = turn.catch(() => undefined);
    return turn;
  }

  /** Returns when there is another token to try; ends the session, and throws, when there will be none. */
  _afterRefusal(refusal, stale, call) {
    if (this._token() !== stale && this._token()) return Promise.resolve();
    if (call.replaces) return this._renew(stale, refusal);
    if (!this._refreshing) {
      const done = () => (this._refreshing = null);
      this._refreshing = this._alone(() => this._renew(stale, refusal));
      this._refreshing.then(done, done);
    }
    return this._refreshing;
  }

  /**
   * A refresh token is sent again only while its answer is missing, which the hub makes good for 60 s; after that there
   * is nothing else to try. What is stored now decides, for another tab may have been here.
   */
  async _renew(stale, refusal) {
    const held = this._session();
    if (!held) throw refusal;
    if (held.tokens.access_token !== stale) return;
    if (RENEWABLE.indexOf(refusal.code) < 0) return this._ended(refusal, held);
    const body = { refresh_token: held.tokens.refresh_token };
    const call = this._prepared("POST", "auth/refresh", { body, as: "nobody" });
    call.isUrgent = true;
    const until = Date.now() + SUCCESSOR_WITHIN;
    for (let tried = 0; ; tried += 1) {
      try {
        const tokens = (await this._transmit(call, "")).data;
        if (this._token() === stale) this._write(this._place, Object.assign({}, held, { tokens }));
        return;
      } catch (error) {
        if (error.status === 401 || error.code === "member_frozen") return this._ended(error, held);
        const wait = jittered(tried, LONGEST_PAUSE) + (error.retryAfter || 0) * 1000;
        if (!error.isPassing || Date.now() + wait > until) throw error;
        await pause(wait);
      }
    }
  }

  _ended(refusal, held) {
    const now = this._session();
    if (now && now.tokens.access_token !== held.tokens.access_token) return;
    this._forget(refusal.code);
    throw refusal;
  }

  /** For another member reading starts at the head that came with the tokens; for the same one it goes on. */
  _adopt(session) {
    const isSame = this.memberId === session.member.id;
    this._etag = "";
    this._write(this._place, { tokens: session.tokens, member_id: session.member.id });
    this._known = session.member.id;
    if (!isSame) this._move(session.head);
    this._tell("session", session);
    if (isSame) this.live._wake();
    else this.live._restart();
    return session;
  }

  _forget(reason) {
    this._etag = "";
    this._write(this._place, null);
    this._write(this._place + ".position", null);
    this._left(reason);
  }

  _left(reason) {
    this._known = null;
    this.live.stop();
    this._tell("signedout", reason);
  }

  /** Another tab signed in or out. */
  _otherTab() {
    if (this.memberId === this._known) return;
    this._etag = "";
    if (!this.signedIn) return this._left("elsewhere");
    this._known = this.memberId;
    this._tell("session", null);
    this.live._restart();
  }

  _token() {
    const session = this._session();
    return session ? session.tokens.access_token : "";
  }

  _session() {
    return this._read(this._place);
  }

  /** Where this member's events were read to, as far as is known. */
  _position() {
    const kept = this._read(this._place + ".position");
    return kept && kept.member_id === this.memberId ? kept.sequence : null;
  }

  _move(sequence) {
    if (this.signedIn) this._write(this._place + ".position", { member_id: this.memberId, sequence });
  }

  _seen(answer) {
    this._etag = answer.header("ETag") || "";
    return answer.data;
  }

  /** What is stored, for other tabs write there too; where it cannot be, what this page remembers. */
  _read(key) {
    if (key in this._memory) return this._memory[key];
    const text = this._port.storage.get(key);
    const value = text ? JSON.parse(text) : null;
    if (!this._port.isShared) this._memory[key] = value;
    return value;
  }

  _write(key, value) {
    this._memory[key] = value;
    try {
      if (value === null) this._port.storage.remove(key);
      else this._port.storage.set(key, JSON.stringify(value));
      if (this._port.isShared) delete this._memory[key];
    } catch (error) {
      this._failed(error, "storage");
    }
  }

  _hidden() {
    this.live._pause();
    this._gate.set(!this._port.isMuteWhenHidden);
  }

  _shown() {
    this._gate.set(true);
    this.live._wake();
  }
}

function keyed(body, options) {
  return { body, key: options && options.key };
}

/** The JSON of an answer; whatever is not a success is thrown. */
function read(answer, requestId) {
  let data = null;
  try {
    data = answer.text ? JSON.parse(answer.text) : null;
  } catch (error) {
    if (answer.status < 400) throw new HubError(0, { code: "network", detail: "The answer was cut short" }, requestId);
  }
  if (answer.status >= 200 && answer.status < 300) return { data, header: answer.header };
  throw new HubError(answer.status, data, requestId, secondsOf(answer.header("Retry-After")));
}

/**
 * The live socket: one, from the last sequence that was told. It fetches what a gap hides from `me/events`, drops what
 * it told before, and comes back by itself. Listeners are called one event after another, each awaited; then the
 * position is kept and acknowledged.
 */
class Live {
  constructor(client) {
    this.state = "closed";
    this.position = null;
    this.memberId = null;
    this._client = client;
    this._isWanted = false;
    this._isPaused = false;
    this._run = 0; // of connections: what an earlier one still says is not heard
    this._epoch = 0; // of members: what was told of another moves nothing
    this._attempt = 0;
    this._line = null;
    this._heardAt = 0;
    this._acknowledged = null;
    this._work = Promise.resolve();
    this._timers = {};
  }

  /** Opens it now, or with the next sign-in; until `stop` or the end of the session it is kept open. */
  start() {
    if (this._isWanted) return;
    this._isWanted = true;
    this._restart();
  }

  stop() {
    this._isWanted = false;
    this._epoch += 1;
    this._drop();
    this._show("closed");
  }

  /** Another session, perhaps another member: from the position that is kept for it. */
  _restart() {
    if (!this._isWanted) return;
    this._epoch += 1;
    this.position = this._client._position();
    this.memberId = this._client.memberId;
    this._acknowledged = null;
    this._reopen();
  }

  _reopen() {
    this._drop();
    this._attempt = 0;
    if (!this._isPaused && this._client.signedIn) this._connect();
  }

  /** In the background: WeChat would cut the line after 5 s, and does not always say so. */
  _pause() {
    if (this._isPaused) return;
    this._isPaused = true;
    this._drop();
    if (this._isWanted) this._show("paused");
  }

  /** In front again, or online again: a line that was heard lately is kept. */
  _wake() {
    const isGood = !this._isPaused && this._line && Date.now() - this._heardAt < FRESH;
    this._isPaused = false;
    if (this._isWanted && !isGood) this._reopen();
  }

  _drop() {
    this._acknowledge();
    this._run += 1;
    Object.keys(this._timers).forEach((name) => clearTimeout(this._timers[name]));
    this._timers = {};
    if (this._line) this._line.close();
    this._line = null;
  }

  async _connect() {
    const run = (this._run += 1);
    this._show(this._attempt ? "reconnecting" : "connecting");
    try {
      const ticket = await this._client.request("POST", "ws-tickets");
      if (run === this._run) this._open(ticket.url, run);
    } catch (error) {
      if (run !== this._run) return;
      if (error.status === 401 && !this._client.signedIn) this.stop();
      else this._later((error.retryAfter || 0) * 1000);
    }
  }

  _open(url, run) {
    const isOurs = () => run === this._run;
    const after = this.position === null ? "" : "&after=" + this.position;
    this._listen(HELLO_WITHIN);
    this._line = this._client._port.connect(url + after, {
      message: (text) => isOurs() && this._heard(text, run),
      closed: (code) => isOurs() && this._lost(code === CROWDED ? LONGEST_AWAY : 0),
    });
  }

  /** A code that says the session is over brings a refusal of the next ticket: it says why. */
  _lost(least) {
    this._drop();
    this._later(least);
  }

  _later(least) {
    const wait = least + jittered(this._attempt, LONGEST_AWAY);
    this._attempt += 1;
    this._show("reconnecting");
    this._after("connect", wait, () => this._connect());
  }

  /** One frame after the other, events also of a line that is gone by then; what fails is asked for over a new line. */
  _heard(text, run) {
    this._listen(SILENCE);
    const frame = JSON.parse(text);
    if (frame.kind === "ping") this._say({ kind: "pong" });
    const epoch = this._epoch;
    const counts = () => epoch === this._epoch && (run === this._run || frame.kind === "event");
    const work = () => (counts() ? this._take(frame, epoch) : undefined);
    this._work = this._work.then(work).catch((error) => {
      if (error.name !== "HubError") this._client._failed(error, "event");
      if (run === this._run) this._lost(0);
    });
  }

  async _take(frame, epoch) {
    if (frame.kind === "hello") await this._hello(frame, epoch);
    else if (frame.kind === "event") await this._event(frame.event, epoch);
    else if (frame.kind === "resync") await this._resync(frame.head, epoch);
    else if (frame.kind === "ping") {
      this._attempt = 0;
      if (frame.head > this.position) await this._repair(epoch);
    }
  }

  async _hello(frame, epoch) {
    this._show("live");
    if (frame.member_id !== this.memberId) await this._resync(frame.head, epoch);
    else if (this.position === null) this._stand(frame.head);
  }

  async _event(event, epoch) {
    const sequence = Number(event.sequence);
    if (sequence > this.position + 1) await this._repair(epoch);
    if (epoch !== this._epoch || sequence <= this.position) return;
    if (sequence > this.position + 1) throw new HubError(0, { code: "network", detail: "A gap was not filled" });
    await this._told(event, epoch);
  }

  /** What lies between here and the head, from the hub's store. */
  async _repair(epoch) {
    for (;;) {
      let page;
      try {
        page = await this._client.request("GET", "me/events", { query: { after: this.position, limit: 100 } });
      } catch (error) {
        if (error.code !== "resync_required") throw error;
        return this._resync(error.problem.head, epoch);
      }
      for (const event of page.results) {
        if (epoch !== this._epoch) return undefined;
        if (Number(event.sequence) === this.position + 1) await this._told(event, epoch);
      }
      if (epoch !== this._epoch || !page.results.length || this.position >= page.head) return undefined;
    }
  }

  async _told(event, epoch) {
    await this._client._tell("event", event);
    if (epoch !== this._epoch) return;
    this._attempt = 0;
    this._stand(Number(event.sequence));
    if (!this._timers.ack) this._after("ack", ACKNOWLEDGE_AFTER, () => this._acknowledge());
  }

  async _resync(head, epoch) {
    if (epoch !== this._epoch) return;
    this._stand(head);
    await this._client._tell("resync", head);
  }

  _stand(sequence) {
    this.position = sequence;
    this._client._move(sequence);
  }

  _acknowledge() {
    clearTimeout(this._timers.ack);
    delete this._timers.ack;
    if (!this._line || this.state !== "live" || this.position === null || this.position === this._acknowledged) return;
    this._acknowledged = this.position;
    this._say({ kind: "ack", sequence: this.position });
  }

  _say(frame) {
    if (this._line) this._line.send(JSON.stringify(frame));
  }

  /** Heard just now; too long a silence is a line that is dead. */
  _listen(within) {
    this._heardAt = Date.now();
    this._after("silence", within, () => this._lost(0));
  }

  _show(state) {
    if (state === this.state) return;
    this.state = state;
    this._client._tell("connection", state);
  }

  _after(name, ms, work) {
    clearTimeout(this._timers[name]);
    this._timers[name] = setTimeout(() => {
      delete this._timers[name];
      work();
    }, ms);
  }
}

// --- the end of the core --------------------------------------------------------------------------------------------

/** Unlikely to be anybody else's; a mini-program has no crypto to ask. */
function newId() {
  const part = () => Math.random().toString(36).slice(2, 12);
  return Date.now().toString(36) + "-" + part() + part();
}

/** What WeChat offers. */
function openPort() {
  return {
    atOnce: 10,
    hasPatch: false,
    isShared: false,
    isMuteWhenHidden: true,
    storage: {
      get: (key) => wx.getStorageSync(key),
      set: (key, text) => wx.setStorageSync(key, text),
      remove: (key) => wx.removeStorageSync(key),
    },
    send({ method, url, headers, body, within }) {
      const asked = { url, method, header: headers, timeout: within, dataType: "text" };
      if (body !== undefined) asked.data = body;
      return promised((settle) => wx.request(Object.assign(asked, settle))).then(answered);
    },
    upload({ url, headers, file, within }) {
      const asked = { url, filePath: file, name: "file", header: headers, timeout: within };
      return promised((settle) => wx.uploadFile(Object.assign(asked, settle))).then(answered);
    },
    connect(url, { message, closed }) {
      let isOver = false;
      const end = (code) => {
        if (isOver) return;
        isOver = true;
        closed(code);
      };
      const task = wx.connectSocket({ url, fail: () => end(1006) });
      task.onMessage(({ data }) => message(data));
      task.onClose(({ code }) => end(code || 1006));
      task.onError(() => end(1006));
      return {
        send: (text) => isOver || task.send({ data: text, fail: () => end(1006) }),
        close() {
          isOver = true;
          task.close({ code: 1000, fail: () => undefined });
        },
      };
    },
    alone: (name, work) => work(),
    login: () => promised((settle) => wx.login(settle)).then(({ code }) => code),
    watch({ hidden, shown, online }) {
      wx.onAppHide(hidden);
      wx.onAppShow(shown);
      wx.onNetworkStatusChange(({ isConnected }) => isConnected && online());
    },
  };
}

function promised(call) {
  return new Promise((resolve, reject) => {
    call({ success: resolve, fail: ({ errMsg }) => reject(new Error(errMsg)) });
  });
}

/** Names of headers come in any case, as the phone likes. */
function answered({ statusCode, header, data }) {
  const known = {};
  Object.keys(header || {}).forEach((name) => (known[name.toLowerCase()] = header[name]));
  return { status: statusCode, header: (name) => known[name.toLowerCase()] || null, text: data };
}

module.exports = { HubClient, HubError };

/**
 * WeChat as a mini-program meets it: only what WeChat has, and with its limits.
 *
 * What is missing there throws; so do PATCH and addresses without a scheme. At most 10 requests and uploads and 5 sockets
 * at a time: the next one fails. Some time after the app went to the background, requests that run fail with
 * "interrupted" and sockets are cut, of which a phone may say nothing; new requests fail until the app is in front.
 */
const { readFileSync } = require("node:fs");
const { Line } = require("./line.cjs");

const METHODS = ["OPTIONS", "GET", "HEAD", "POST", "PUT", "DELETE", "TRACE", "CONNECT"];
const MOST_REQUESTS = 10;
const MOST_SOCKETS = 5;

class Phone {
  /** @param {{mercy: number}} settings how many milliseconds the background leaves what runs; 5000 with WeChat */
  constructor({ mercy }) {
    this.mercy = mercy;
    this.isHidden = false;
    this.isFull = false;
    this.running = new Set();
    this.lines = new Set();
    this.store = new Map();
    this.asked = []; // "POST /api/v1/auth/refresh"
    this.seen = { requests: 0, sockets: 0, refused: [] };
    this.heard = { hide: [], show: [], network: [] };
    this.loginCode = "";
  }

  hide() {
    this.isHidden = true;
    for (const tell of this.heard.hide) tell();
    this.interrupting = setTimeout(() => this.interrupt(), this.mercy);
  }

  interrupt() {
    for (const task of [...this.running]) task.stop("interrupted");
    for (const line of [...this.lines]) {
      line.heard.closed = () => this.lines.delete(line); // this phone does not tell
      line.cut();
    }
  }

  show() {
    clearTimeout(this.interrupting);
    this.isHidden = false;
    for (const tell of this.heard.show) tell({ scene: 1001 });
  }

  online() {
    for (const tell of this.heard.network) tell({ isConnected: true, networkType: "wifi" });
  }

  refuse(why) {
    this.seen.refused.push(why);
    return why;
  }

  task(name, { success, fail, complete }, run) {
    const giveUp = new AbortController();
    const task = { stop: (why) => giveUp.abort(new Error(why)) };
    const over = (tell, told) => {
      this.running.delete(task);
      tell?.(told);
      complete?.(told);
    };
    const failed = (why) => over(fail, { errMsg: `${name}:fail ${why}` });
    if (this.isHidden) setTimeout(failed, 0, this.refuse("interrupted"));
    else if (this.running.size >= MOST_REQUESTS) setTimeout(failed, 0, this.refuse("exceed max task count"));
    else {
      this.running.add(task);
      this.seen.requests = Math.max(this.seen.requests, this.running.size);
      const why = (error) => giveUp.signal.reason?.message ?? error.message;
      run(giveUp.signal).then((answer) => over(success, answer), (error) => failed(why(error)));
    }
    return { abort: () => task.stop("abort") };
  }

  request(asked) {
    const { url, method = "GET", header = {}, data, dataType = "json" } = asked;
    this.hold(url, header, /^https?:/);
    if (!METHODS.includes(method)) throw new TypeError(this.refuse(`wx.request has no ${method}`));
    if (data !== undefined && typeof data !== "string") throw new TypeError(this.refuse("only text is sent here"));
    this.asked.push(`${method} ${new URL(url).pathname}`);
    return this.task("request", asked, async (signal) => {
      const headers = { "content-type": "application/json", ...lowered(header) };
      const response = await fetch(url, { method, headers, body: method === "GET" ? undefined : data, signal });
      return answered(response, await response.text(), dataType);
    });
  }

  uploadFile(asked) {
    const { url, filePath, name, header = {} } = asked;
    this.hold(url, header, /^https?:/);
    return this.task("uploadFile", asked, async (signal) => {
      const form = new FormData();
      form.append(name, new Blob([readFileSync(filePath)]), "tmp.png");
      const response = await fetch(url, { method: "POST", headers: header, body: form, signal });
      return answered(response, await response.text(), "text");
    });
  }

  connectSocket({ url, header = {}, fail }) {
    this.hold(url, header, /^wss?:/);
    const told = { open: [], message: [], error: [], close: [] };
    const tell = (kind, detail) => told[kind].forEach((each) => each(detail));
    const on = (kind) => (listener) => void told[kind].push(listener);
    const task = { onOpen: on("open"), onMessage: on("message"), onError: on("error"), onClose: on("close") };
    if (this.isHidden || this.lines.size >= MOST_SOCKETS) {
      const why = this.refuse(this.isHidden ? "interrupted" : "exceed max socket count");
      setTimeout(() => fail?.({ errMsg: `connectSocket:fail ${why}` }));
      return only({ ...task, send: () => undefined, close: () => undefined }, "SocketTask");
    }
    const line = new Line(url, header, {
      opened: () => tell("open", { header: {} }),
      message: (data) => tell("message", { data }),
      closed: (code) => {
        this.lines.delete(line);
        if (code === 1006) tell("error", { errMsg: "abnormal closure" });
        tell("close", { code, reason: "" });
      },
    });
    this.lines.add(line);
    this.seen.sockets = Math.max(this.seen.sockets, this.lines.size);
    const send = ({ data, fail: failed }) => (line.isOpen ? line.send(data) : failed?.({ errMsg: "sendSocketMessage:fail" }));
    return only({ ...task, send, close: ({ code } = {}) => line.close(code) }, "SocketTask");
  }

  put(key, value) {
    if (this.isFull) throw new Error("setStorageSync:fail exceed storage max size 10Mb");
    this.store.set(key, value);
  }

  hold(url, header, scheme) {
    if (!scheme.test(url)) throw new TypeError(this.refuse(`not an address: ${url}`));
    if (Object.keys(header).some((name) => /^referer$/i.test(name))) throw new TypeError(this.refuse("Referer is set"));
  }

  /** The global `wx`. */
  get wx() {
    return only(
      {
        request: (asked) => this.request(asked),
        uploadFile: (asked) => this.uploadFile(asked),
        connectSocket: (asked) => this.connectSocket(asked),
        getStorageSync: (key) => this.store.get(key) ?? "",
        setStorageSync: (key, value) => this.put(key, value),
        removeStorageSync: (key) => void this.store.delete(key),
        login: ({ success }) => setTimeout(success, 0, { code: this.loginCode, errMsg: "login:ok" }),
        onAppHide: (listener) => void this.heard.hide.push(listener),
        onAppShow: (listener) => void this.heard.show.push(listener),
        onNetworkStatusChange: (listener) => void this.heard.network.push(listener),
      },
      "wx",
    );
  }
}

/** An object that has what it has: anything else asked of it throws. */
function only(object, name) {
  return new Proxy(object, {
    get(target, key) {
      if (key in target || typeof key === "symbol" || key === "then") return target[key];
      throw new TypeError(`${name}.${key} is not what WeChat has`);
    },
  });
}

function lowered(header) {
  return Object.fromEntries(Object.entries(header).map(([name, value]) => [name.toLowerCase(), value]));
}

/** Names of headers as some phones write them. */
function answered(response, text, dataType) {
  const header = {};
  response.headers.forEach((value, name) => (header[name[0].toUpperCase() + name.slice(1)] = value));
  return { statusCode: response.status, header, data: dataType === "json" ? parsed(text) : text };
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

module.exports = { Phone };

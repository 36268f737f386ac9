/** A WebSocket client of our own, in few words: what browsers and WeChat have, for a Node that may be too old for it. */
const { createHash, randomBytes } = require("node:crypto");
const http = require("node:http");

const GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
const TEXT = 1;
const CLOSE = 8;
const PING = 9;
const PONG = 10;

class Line {
  /** @param {{opened: () => void, message: (text: string) => void, closed: (code: number) => void}} heard */
  constructor(url, headers, heard) {
    this.heard = heard;
    this.rest = Buffer.alloc(0);
    this.socket = null;
    this.isOver = false;
    this.isOpen = false;
    const key = randomBytes(16).toString("base64");
    const upgrade = { Connection: "Upgrade", Upgrade: "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": key };
    this.request = http.get(url.replace(/^ws/, "http"), { headers: { ...headers, ...upgrade }, agent: false });
    this.request.on("error", () => this.end(1006));
    this.request.on("response", () => this.end(1006));
    this.request.on("upgrade", (response, socket, head) => this.opened(key, response, socket, head));
  }

  opened(key, response, socket, head) {
    const accept = createHash("sha1").update(key + GUID).digest("base64");
    if (this.isOver || response.headers["sec-websocket-accept"] !== accept) return socket.destroy();
    this.socket = socket;
    this.isOpen = true;
    socket.setNoDelay(true);
    socket.on("data", (bytes) => this.read(bytes));
    socket.on("error", () => this.end(1006));
    socket.on("close", () => this.end(1006));
    this.heard.opened();
    this.read(head);
  }

  read(bytes) {
    this.rest = Buffer.concat([this.rest, bytes]);
    for (let frame = this.next(); frame && !this.isOver; frame = this.next()) this.take(frame);
  }

  next() {
    const { rest } = this;
    if (rest.length < 2) return null;
    const short = rest[1] & 127;
    const begin = short === 127 ? 10 : short === 126 ? 4 : 2;
    if (rest.length < begin) return null;
    const length = short === 127 ? Number(rest.readBigUInt64BE(2)) : short === 126 ? rest.readUInt16BE(2) : short;
    if (rest.length < begin + length) return null;
    this.rest = rest.subarray(begin + length);
    return { kind: rest[0] & 15, content: rest.subarray(begin, begin + length) };
  }

  take({ kind, content }) {
    if (kind === TEXT) this.heard.message(content.toString());
    else if (kind === PING) this.write(PONG, content);
    else if (kind === CLOSE) {
      this.write(CLOSE, content);
      this.end(content.length >= 2 ? content.readUInt16BE(0) : 1005);
    }
  }

  write(kind, content) {
    if (!this.isOpen) return;
    const mask = randomBytes(4);
    const masked = Buffer.from(content.map((byte, at) => byte ^ mask[at % 4]));
    const { length } = content;
    const head = length < 126 ? [128 | kind, 128 | length] : [128 | kind, 254, length >> 8, length & 255];
    this.socket.write(Buffer.concat([Buffer.from(head), mask, masked]));
  }

  send(text) {
    this.write(TEXT, Buffer.from(text));
  }

  /** With the farewell of the protocol; the other side's answer is not waited for. */
  close(code = 1000) {
    this.write(CLOSE, Buffer.from([code >> 8, code & 255]));
    this.end(code);
  }

  /** Without a farewell, as when a lift's doors close. */
  cut() {
    this.socket?.destroy();
    this.end(1006);
  }

  end(code) {
    if (this.isOver) return;
    this.isOver = true;
    this.isOpen = false;
    if (this.socket) this.socket.end();
    else this.request.destroy();
    this.heard.closed(code);
  }
}

module.exports = { Line };

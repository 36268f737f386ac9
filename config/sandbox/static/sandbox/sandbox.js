/**
 * What stands around the hub in the sandbox: the SMS inbox, WeChat, WeChat Pay and each channel's own backend.
 * In production none of this runs in a browser: the backend's key least of all.
 */
import { HubError, read } from "./hub-error.js";
import { newId } from "./hub-client.js";

async function call(method, url, body, headers = {}) {
  const requestId = headers["X-Request-ID"] ?? newId();
  const content = body === undefined ? {} : { "Content-Type": "application/json" };
  const init = {
    method,
    headers: { ...content, ...headers },
    body: body === undefined ? undefined : JSON.stringify(body),
  };
  const response = await fetch(url, init).catch(() => {
    throw new HubError(0, null, requestId);
  });
  return read(response, requestId);
}

const post = (path, body = {}, headers = {}) => call("POST", `/sandbox/${path}`, body, headers);
let known = null;
const credentials = () =>
  (known ??= call("GET", "/sandbox/credentials").catch((error) => {
    known = null;
    throw error;
  }));

/** The code of this challenge, as soon as the text message is there; empty when it never came. */
export async function smsCode(phone, challengeId, tries = 20) {
  const { results } = await call("GET", `/sandbox/sms?phone=${encodeURIComponent(phone)}`);
  const message = results.find((sms) => sms.challenge_id === challengeId);
  if (message || tries <= 1) return message?.code ?? "";
  await new Promise((done) => setTimeout(done, 250));
  return smsCode(phone, challengeId, tries - 1);
}

/** Make a WeChat user, or give a known one another phone. @returns {Promise<{openid: string, unionid: string}>} */
export function wechatUser(fields) {
  return post("wechat/users", fields);
}

/** @param {"login-code"|"phone-code"|"qr-code"} kind */
export async function wechatCode(openid, kind) {
  return (await post(`wechat/users/${encodeURIComponent(openid)}/${kind}`)).code;
}

/**
 * The code WeChat gives a client of this person, a website's at the website's own app. The sandbox may have been
 * reset since this browser made the user: then they are made again, once.
 * @param {import("./shop.js").People} people
 */
export async function personsCode(people, person, kind) {
  if (!person.wechat) await meet(people, person);
  try {
    return await codeAt(person.wechat, kind);
  } catch (error) {
    if (!(error instanceof HubError) || error.status !== 404) throw error;
    await meet(people, person);
    return codeAt(person.wechat, kind);
  }
}

async function meet(people, person) {
  people.change({ wechat: await wechatUser({ phone: person.phone }) }, person);
}

async function codeAt({ openid, unionid }, kind) {
  if (kind !== "qr-code") return wechatCode(openid, kind);
  const { website } = (await credentials()).channels;
  const there = await wechatUser({ app_id: website.app_id, unionid });
  return wechatCode(there.openid, kind);
}

/** WeChat Pay tells the hub, signed and encrypted, that this payment succeeded. */
export function payInWechat(paymentId, requestId) {
  return post(`wechat-pay/${paymentId}/succeed`, {}, { "X-Request-ID": requestId });
}

/** The channel's backend: its shop takes the basket and places the order with the hub, under its own key. */
export async function placeOrder(channel, { memberId, product, requestId }) {
  const { api_key: key } = (await credentials()).channels[channel];
  const externalId = `${channel === "website" ? "W" : "M"}${Date.now()}${Math.floor(Math.random() * 90 + 10)}`;
  const order = {
    external_id: externalId,
    member_id: memberId,
    shipping_fen: 0,
    discounts: [],
    points_to_redeem: 0,
    items: [{ sku: product.sku, name: product.name.zh, quantity: 1, unit_price_fen: product.price_fen }],
    total_fen: product.price_fen,
  };
  const headers = { Authorization: `Bearer ${key}`, "X-Request-ID": requestId, "Idempotency-Key": externalId };
  return call("POST", "/api/v1/orders", order, headers);
}

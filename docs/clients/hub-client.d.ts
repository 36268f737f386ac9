/**
 * Types of a member's client of the hub: of `hub-client.js` for browsers, and of its mini-program twin
 * `hub-client.wx.js`, which is copied under the name `hub-client.js` to have them. Both offer the same.
 *
 * Unknown fields, enum values, event types and problem codes may come with any release: code for those you know and
 * let the others pass.
 */

type Known<T extends string> = T | (string & {});

/** RFC 3339, UTC, milliseconds. */
export type Instant = string;

export interface Settings {
  /** The code of the channel, as the hub knows it. */
  channel: string;
  /** Where the API is; "/api/v1" where the page and the hub share an origin. A mini-program needs all of it. */
  base?: string;
  /** Of titles and details; "zh-hans" by default. */
  language?: "zh-hans" | "en";
  /** The most requests at a time: 10 in a mini-program, where the app's own requests count as well. */
  atOnce?: number;
  /** Where a browser keeps tokens and position; localStorage by default. */
  storage?: Pick<Storage, "getItem" | "setItem" | "removeItem">;
}

export type ProblemCode = Known<
  | "network" | "invalid" | "channel_required" | "channel_unknown" | "code_invalid" | "wechat_code_invalid"
  | "amount_mismatch" | "not_authenticated" | "token_expired" | "token_revoked" | "token_reused" | "signature_invalid"
  | "forbidden" | "scope_missing" | "step_up_required" | "member_proof_required" | "member_frozen" | "channel_inactive"
  | "not_found" | "method_not_allowed" | "idempotency_key_in_flight" | "identity_conflict" | "last_identity"
  | "external_id_conflict" | "reference_conflict" | "points_insufficient" | "hold_expired" | "order_state"
  | "openid_required" | "payment_in_progress" | "erasure_blocked" | "case_closed" | "resync_required"
  | "version_conflict" | "too_large" | "unsupported_media_type" | "consent_required" | "idempotency_key_reused"
  | "precondition_required" | "rate_limited" | "too_many_attempts" | "internal" | "unavailable"
  | "wechat_unavailable" | "timeout"
>;

/** RFC 9457. The fields after `request_id` come with the code that is named. */
export interface Problem {
  type: string;
  title: string;
  status: number;
  detail: string;
  code: ProblemCode;
  errors: { field: string; code: string; detail: string }[];
  request_id: string;
  /** consent_required */
  required?: Policy[];
  /** consent_required; for `register`, within 10 minutes */
  registration_token?: string;
  /** version_conflict */
  current?: unknown;
  /** resync_required */
  head?: number;
  /** points_insufficient */
  available?: number;
  /** erasure_blocked */
  reasons?: unknown;
}

export class HubError extends Error {
  /** 0 when no answer came. */
  readonly status: number;
  readonly code: ProblemCode;
  readonly title: string;
  readonly detail: string;
  readonly errors: Problem["errors"];
  readonly requestId: string;
  /** Seconds, when the hub said how long. */
  readonly retryAfter: number | null;
  readonly problem: Partial<Problem>;
  /** Nobody knows whether it was done, or a little later it may be: safe to repeat what has no second effect. */
  readonly isPassing: boolean;
}

// --- what the hub answers

export interface Consent {
  purpose: string;
  version: string;
}

export interface Policy extends Consent {
  title: string;
  text_url: string;
  required?: boolean;
}

export interface Challenge {
  challenge_id: string;
  /** seconds */
  expires_in: number;
  /** seconds */
  resend_in: number;
}

export interface Tokens {
  access_token: string;
  token_type: "Bearer";
  expires_in: number;
  refresh_token: string;
  refresh_expires_in: number;
}

export interface Identity {
  id: string;
  kind: Known<"phone" | "wechat_openid" | "wechat_unionid" | "external">;
  channel: string | null;
  masked: string;
  proof: string;
  verified_at: Instant | null;
}

export interface Me {
  id: string;
  number: string;
  nickname: string;
  avatar_url: string | null;
  gender: Known<"">;
  birthday: string | null;
  email: string | null;
  /** masked */
  phone: string | null;
  identities: Identity[];
  consents_required: Policy[];
  status: Known<"active" | "frozen">;
  version: number;
  created_at: Instant;
  updated_at: Instant;
}

export interface LinkCase {
  id: string;
  kind: Known<"recycled_phone">;
  proofs_needed: { kind: Known<"sms" | "order_fact" | "old_sign_in">; hint: unknown }[];
}

export type LinkProof =
  | { kind: "sms"; challenge_id: string; code: string }
  | { kind: "order_fact"; number: string; total_fen: number }
  | { kind: "old_sign_in"; access_token: string };

export interface Session {
  tokens: Tokens;
  member: Me;
  head: number;
  created: boolean;
  linked: boolean;
  absorbed_member_id: string | null;
  link_case: LinkCase | null;
  assurance: 1 | 2 | 3;
}

export interface SignedIn {
  id: string;
  channel: string;
  [field: string]: unknown;
}

export interface AddressFields {
  receiver: string;
  phone: string;
  province: string;
  city: string;
  district?: string | null;
  street: string;
  postcode?: string | null;
  is_default?: boolean;
}

export interface Address extends AddressFields {
  id: string;
  version: number;
}

export type OrderStatus = Known<
  | "pending_payment" | "paid" | "partially_shipped" | "shipped" | "delivered" | "completed" | "cancelled" | "refunding"
  | "partially_refunded" | "refunded"
>;

export interface OrderLine {
  id: string;
  external_line_id: string | null;
  sku: string;
  name: string;
  quantity: number;
  unit_price_fen: number;
  image_url: string | null;
  refunded_quantity: number;
}

export interface Shipment {
  id: string;
  carrier: string;
  carrier_name: string;
  tracking_number: string;
  state: string;
  lines: unknown[];
  /** `text` is not in events */
  events: { at: Instant; text?: string; state: string; place: string | null }[];
}

export interface Order {
  number: string;
  channel: string;
  external_id: string;
  member_id: string | null;
  status: OrderStatus;
  status_label: string;
  payment_status: Known<"unpaid" | "closed" | "paid">;
  fulfilment_status: Known<"none" | "partial" | "shipped" | "delivered" | "completed">;
  refund_status: Known<"none" | "partial" | "full">;
  lines: OrderLine[];
  items_fen: number;
  shipping_fen: number;
  discounts: { kind: string; code?: string; name: string; amount_fen: number }[];
  discount_fen: number;
  points_redeemed: number;
  points_discount_fen: number;
  total_fen: number;
  paid_fen: number;
  refunded_fen: number;
  points_earned: number;
  shipments: Shipment[];
  /** not in events */
  buyer_note?: string;
  placed_at: Instant;
  paid_at: Instant | null;
  completed_at: Instant | null;
  updated_at: Instant;
  version: number;
}

export interface Payment {
  payment_id: string;
  method: PaymentMethod;
  /** For wx.requestPayment (`wechat_jsapi`), a QR code (`wechat_native`) or a redirect (`wechat_h5`). */
  params: Record<string, any>;
  expires_at: Instant;
}

export type PaymentMethod = "wechat_jsapi" | "wechat_native" | "wechat_h5";

export interface RefundAsked {
  items: { line_id: string; quantity: number }[];
  reason: string;
}

export interface Points {
  available: number;
  pending: number;
  held: number;
  debt: number;
  expiring: { points: number; at: Instant }[];
  tier: {
    code: string;
    name: string;
    since: Instant | null;
    until: Instant | null;
    qualifying: number;
    next: { code: string; missing: number } | null;
  };
  version: number;
}

export interface PointEntry {
  id: string;
  kind: Known<"earned" | "spent" | "held" | "released" | "reversed" | "expired" | "adjusted">;
  /** signed */
  points: number;
  available_after: number;
  reference: string;
  channel: string | null;
  created_at: Instant;
  available_at: Instant | null;
  expires_at: Instant | null;
}

// --- events: CloudEvents 1.0 (API §2)

interface Envelope<T extends string, D> {
  specversion: "1.0";
  id: string;
  source: string;
  type: T;
  subject: string;
  time: Instant;
  datacontenttype: "application/json";
  /** Of the member's own stream: 1, 2, 3 … as a decimal. */
  sequence: string;
  correlationid?: string;
  data: D;
}

type MemberChange = { id: string; version: number; changed: string[] };
type IdentityChange = { id: string; version: number; identity: { id: string; kind: string; channel: string | null } };
type ConsentChange = { id: string; purpose: string; version: string };
type PointsChange = {
  entry: PointEntry;
  balance: { available: number; pending: number; held: number; debt: number; version: number };
};

export type MemberEvent = Envelope<"member.registered" | "member.updated" | "member.erased", MemberChange>;
export type IdentityEvent = Envelope<"member.identity_linked" | "member.identity_unlinked", IdentityChange>;
export type ConsentEvent = Envelope<"member.consent_granted" | "member.consent_withdrawn", ConsentChange>;
export type MergeEvent = Envelope<"member.merged" | "member.unmerged", { from_id: string; into_id: string }>;
export type FreezeEvent = Envelope<"member.frozen" | "member.unfrozen", { id: string; scopes: string[] }>;
export type OrderEvent = Envelope<
  | "order.placed" | "order.updated" | "order.paid" | "order.cancelled" | "order.shipped" | "order.tracking_updated"
  | "order.delivered" | "order.completed" | "order.refund_requested" | "order.refunded" | "order.claimed",
  Order
>;
export type PointsEvent = Envelope<
  | "points.earned" | "points.spent" | "points.held" | "points.released" | "points.reversed" | "points.expired"
  | "points.adjusted",
  PointsChange
>;
export type TierEvent = Envelope<"tier.changed", { from: string; to: string; at: Instant }>;

export type HubEvent =
  | MemberEvent | IdentityEvent | ConsentEvent | MergeEvent | FreezeEvent | OrderEvent | PointsEvent | TierEvent;

// --- the client

export interface Page<T> {
  results: T[];
  /** cursors, for `page` */
  next: string | null;
  previous: string | null;
}

export interface CursorList<T> extends AsyncIterable<T> {
  page(cursor?: string | null): Promise<Page<T>>;
  toArray(most?: number): Promise<T[]>;
}

export interface PageQuery {
  /** 1 to 100; 20 by default */
  limit?: number;
}

export interface OrderQuery extends PageQuery {
  status?: OrderStatus;
  channel?: string;
  placed_after?: Instant;
  placed_before?: Instant;
}

/** A key of your own: kept until there is an answer, a call can be repeated with it after a restart. */
export interface Keyed {
  key?: string;
}

export interface RequestOptions extends Keyed {
  body?: unknown;
  query?: Record<string, string | number | boolean | null | undefined>;
  headers?: Record<string, string>;
  /** Who asks: the member who is signed in (default), the channel's client before sign-in, or nobody. */
  as?: "member" | "channel" | "nobody";
}

/** "elsewhere": in another tab of this browser. */
export type SignedOutReason = Known<
  | "signed_out" | "elsewhere" | "token_revoked" | "token_reused" | "token_expired" | "not_authenticated"
  | "member_frozen"
>;

export type LiveState = "connecting" | "live" | "reconnecting" | "paused" | "closed";

export interface Signals {
  /** The tokens are another's or new; null when another tab signed somebody in: read `me` then. */
  session: Session | null;
  signedout: SignedOutReason;
  connection: LiveState;
  /** Once and in sequence; the next waits until every listener's promise has settled. */
  event: HubEvent;
  /** Events are missing for good: read the current state, which is of this head or later. */
  resync: number;
  /** A listener failed, or nothing can be stored. Without a listener for it, it goes to the console. */
  error: unknown;
}

export interface Live {
  readonly state: LiveState;
  /** The sequence that was told last. */
  readonly position: number | null;
  readonly memberId: string | null;
  /** Opens it now, or with the next sign-in; until `stop` or the end of the session it is kept open. */
  start(): void;
  stop(): void;
}

export class HubClient {
  constructor(settings: Settings);
  readonly channel: string;
  readonly base: string;
  language: string;
  readonly live: Live;
  readonly signedIn: boolean;
  readonly memberId: string | null;

  /** Returns how to stop hearing. */
  on<N extends keyof Signals>(name: N, listener: (detail: Signals[N]) => unknown): () => void;

  policies(): Promise<{ results: Policy[] }>;
  sendCode(purpose: "sign_in" | "link", phone: string, captcha?: string): Promise<Challenge>;
  sendCode(purpose: "step_up"): Promise<Challenge>;
  signInByPhone(challengeId: string, code: string, consents?: Consent[]): Promise<Session>;
  signInByMiniProgram(consents?: Consent[], code?: string): Promise<Session>;
  startWebsiteSignIn(): Promise<{ authorize_url: string; state: string; verifier: string; expires_in: number }>;
  finishWebsiteSignIn(
    returned: { code: string; state: string; verifier?: string },
    consents?: Consent[],
  ): Promise<Session>;
  register(registrationToken: string, consents: Consent[]): Promise<Session>;
  signInByGrant(grant: string): Promise<Session>;
  linkPhone(challengeId: string, code: string): Promise<Session>;
  linkWechatPhone(code: string): Promise<Session>;
  changePhone(challengeId: string, code: string): Promise<Session>;
  stepUp(challengeId: string, code: string): Promise<{ assurance: 3; until: Instant }>;
  linkCase(id: string): Promise<LinkCase>;
  sendLinkCaseCode(id: string, kind: string): Promise<Challenge>;
  proveLinkCase(id: string, proof: LinkProof): Promise<Session>;
  declineLinkCase(id: string): Promise<null>;
  signOut(): Promise<void>;
  sessions(query?: PageQuery): CursorList<SignedIn>;
  endSession(id: string): Promise<null>;

  me(): Promise<Me>;
  updateMe(changes: Partial<Pick<Me, "nickname" | "gender" | "birthday" | "email">>): Promise<Me>;
  /** A Blob or File in a browser, the path of a temporary file in a mini-program. */
  uploadAvatar(file: Blob | string): Promise<Me>;
  addresses(query?: PageQuery): CursorList<Address>;
  address(id: string): Promise<Address>;
  addAddress(address: AddressFields, options?: Keyed): Promise<Address>;
  updateAddress(id: string, changes: Partial<AddressFields>): Promise<Address>;
  removeAddress(id: string): Promise<null>;
  removeIdentity(id: string): Promise<null>;
  consents(): Promise<{ results: (Consent & Record<string, unknown>)[] }>;
  giveConsent(consent: Consent, options?: Keyed): Promise<Consent & Record<string, unknown>>;
  withdrawConsent(purpose: string): Promise<null>;
  requestExport(options?: Keyed): Promise<{ id: string }>;
  exportOf(id: string): Promise<{ id: string; state: string; url?: string; expires_at?: Instant }>;
  requestErasure(options?: Keyed): Promise<{ due_at: Instant }>;
  cancelErasure(): Promise<null>;

  orders(query?: OrderQuery): CursorList<Order>;
  order(number: string): Promise<Order>;
  pay(number: string, method: PaymentMethod, options?: Keyed): Promise<Payment>;
  cancelOrder(number: string, options?: Keyed): Promise<Order>;
  confirmReceipt(number: string, options?: Keyed): Promise<Order>;
  requestRefund(number: string, refund: RefundAsked, options?: Keyed): Promise<Record<string, any>>;
  points(): Promise<Points>;
  pointEntries(query?: PageQuery): CursorList<PointEntry>;
  memberCode(): Promise<{ code: string; expires_in: number }>;
  noticeTemplates(): Promise<{ results: Record<string, any>[] }>;
  answerNotice(templateId: string, result: string, options?: Keyed): Promise<Record<string, any>>;
  events(after?: number): AsyncIterableIterator<HubEvent>;

  /** Any other call of the contract: its JSON, or a HubError. */
  request<T = any>(method: string, path: string, options?: RequestOptions): Promise<T>;
}

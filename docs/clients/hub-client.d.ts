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

/** CloudEvents 1.0 (API §2). */
export interface CloudEvent<T extends string, D> {
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

export type LinkProof =
  | { kind: "sms"; challenge_id: string; code: string }
  | { kind: "order_fact"; number: string; total_fen: number }
  | { kind: "old_sign_in"; access_token: string };

export type PaymentMethod = "wechat_jsapi" | "wechat_native" | "wechat_h5";

// --- of the contract that the hub serves, written from its OpenAPI

export interface ConsentIn {
  purpose: string;
  version: string;
}

export interface OwnAddressIn {
  receiver: string;
  phone: string;
  province: string;
  city: string;
  district?: string | null;
  street: string;
  postcode?: string | null;
  is_default?: boolean;
}

export interface ProfileIn {
  nickname?: string;
  gender?: Known<"unknown" | "female" | "male">;
  birthday?: string | null;
  email?: string | null;
}

export interface MyRefundIn {
  items: MyItemIn[];
  reason?: string | null;
}

export interface MyItemIn {
  line_id: string;
  quantity: number;
}

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

export interface Tokens {
  access_token: string;
  token_type: "Bearer";
  expires_in: number;
  refresh_token: string;
  refresh_expires_in: number;
}

export interface Me {
  id: string;
  number: string;
  nickname: string;
  avatar_url: string;
  gender: Known<"unknown" | "female" | "male">;
  birthday: string | null;
  email: string | null;
  phone: string | null;
  identities: Identity[];
  consents_required: Policy[];
  status: Known<"active" | "frozen" | "merged" | "erased">;
  version: number;
  created_at: Instant;
  updated_at: Instant;
}

export interface Identity {
  id: string;
  kind: Known<"phone" | "wechat_openid" | "wechat_unionid" | "external">;
  channel: string | null;
  masked: string;
  proof: Known<"verified" | "attested" | "asserted" | "claimed">;
  verified_at: Instant | null;
}

export interface Policy {
  purpose: string;
  version: string;
  title: string;
  text_url: string;
}

export interface LinkCase {
  id: string;
  kind: Known<"merge" | "recycled_phone">;
  proofs_needed: Needed[];
}

export interface Needed {
  kind: string;
  hint: string;
}

export interface Sent {
  challenge_id: string;
  expires_in: number;
  resend_in: number;
}

export interface Begun {
  authorize_url: string;
  state: string;
  verifier: string;
  expires_in: number;
}

export interface OfferedPolicy {
  purpose: string;
  version: string;
  title: string;
  text_url: string;
  required: boolean;
}

export interface SteppedUp {
  assurance: 3;
  until: Instant;
}

export interface SignedIn {
  id: string;
  channel: string;
  device: string;
  assurance: number;
  is_current: boolean;
  created_at: Instant;
  last_seen_at: Instant;
}

export interface Address {
  id: string;
  receiver: string;
  phone: string;
  province: string;
  city: string;
  district: string | null;
  street: string;
  postcode: string | null;
  is_default: boolean;
  version: number;
}

export interface Consent {
  purpose: string;
  version: string;
  title: string;
  text_url: string;
  required: boolean;
  granted: boolean;
  granted_version: string | null;
  at: Instant | null;
  channel: string | null;
  may_ask: boolean;
  ask_after: Instant | null;
  needs_guardian: boolean;
}

export interface ExportAsked {
  id: string;
}

export interface Export {
  id: string;
  state: Known<"waiting" | "ready" | "fetched" | "expired" | "withdrawn">;
  url?: string;
  expires_at?: Instant;
}

export interface Erasure {
  due_at: Instant;
}

export interface Order {
  number: string;
  channel: string;
  external_id: string;
  member_id: string | null;
  status: Known<"pending_payment" | "paid" | "partially_shipped" | "shipped" | "delivered" | "completed" | "cancelled"
    | "refunding" | "partially_refunded" | "refunded">;
  status_label: string;
  payment_status: Known<"unpaid" | "closed" | "paid">;
  fulfilment_status: Known<"none" | "partial" | "shipped" | "delivered" | "completed">;
  refund_status: Known<"none" | "partial" | "full">;
  lines: Line[];
  items_fen: number;
  shipping_fen: number;
  discounts: Discount[];
  discount_fen: number;
  points_redeemed: number;
  points_discount_fen: number;
  total_fen: number;
  paid_fen: number;
  refunded_fen: number;
  points_earned: number;
  shipments: Shipment[];
  buyer_note: string;
  placed_at: Instant;
  paid_at: Instant | null;
  completed_at: Instant | null;
  updated_at: Instant;
  version: number;
}

export interface Line {
  id: string;
  external_line_id: string;
  sku: string;
  name: string;
  quantity: number;
  unit_price_fen: number;
  image_url: string;
  refunded_quantity: number;
}

export interface Discount {
  kind: string;
  code: string;
  name: string;
  amount_fen: number;
}

export interface Shipment {
  id: string;
  carrier: string;
  carrier_name: string;
  tracking_number: string;
  state: string;
  lines: ShippedLine[];
  events: Tracking[];
}

export interface ShippedLine {
  line_id: string;
  quantity: number;
}

export interface Tracking {
  at: Instant;
  state: string;
  place: string;
  text: string;
}

export interface Payment {
  payment_id: string;
  method: Known<"wechat_jsapi" | "wechat_native" | "wechat_h5">;
  params: Record<string, any>;
  expires_at: Instant;
}

export interface Points {
  available: number;
  pending: number;
  held: number;
  debt: number;
  version: number;
  expiring: Expiring[];
  tier: Tier | null;
}

export interface Expiring {
  points: number;
  at: Instant;
}

export interface Tier {
  code: string;
  name: string;
  since: Instant;
  until: Instant | null;
  qualifying: number;
  next: NextTier | null;
  benefits: Benefit[];
}

export interface NextTier {
  code: string;
  missing: number;
}

export interface Benefit {
  code: string;
  name: string;
  value: string;
}

export interface Entry {
  id: string;
  kind: Known<"earned" | "spent" | "held" | "released" | "reversed" | "expired" | "adjusted">;
  points: number;
  available_after: number;
  reference: string;
  channel: string | null;
  created_at: Instant;
  available_at: Instant | null;
  expires_at: Instant | null;
}

export interface Refund {
  id: string;
  external_id: string;
  number: string;
  state: Known<"requested" | "processing" | "done" | "failed">;
  items: RefundItem[];
  shipping_fen: number;
  amount_fen: number;
  reason: string;
  provider: string;
  refunded_at: Instant | null;
}

export interface RefundItem {
  line_id: string;
  quantity: number;
  amount_fen: number;
}

export interface MemberCode {
  code: string;
  expires_in: number;
}

export interface NoticeTemplate {
  template_id: string;
  occasion: Known<"order_shipped" | "order_delivered" | "order_refunded" | "points_expiring" | "phone_changed" |
    "member_merged">;
  title: string;
  left: number;
}

export interface NoticeAnswer {
  template_id: string;
  left: number;
}

export interface MemberChange {
  id: string;
  version: number;
  changed: string[];
}

export interface IdentityChange {
  id: string;
  version: number;
  identity: ToldIdentity;
}

export interface ToldIdentity {
  id: string;
  kind: Known<"phone" | "wechat_openid" | "wechat_unionid" | "external">;
  channel: string | null;
}

export interface ConsentChange {
  id: string;
  purpose: string;
  version: string;
}

export interface MergeChange {
  from_id: string;
  into_id: string;
}

export interface FreezeChange {
  id: string;
  scopes: string[];
}

export interface OrderChange {
  number: string;
  channel: string;
  external_id: string;
  member_id: string | null;
  status: Known<"pending_payment" | "paid" | "partially_shipped" | "shipped" | "delivered" | "completed" | "cancelled"
    | "refunding" | "partially_refunded" | "refunded">;
  status_label: string;
  payment_status: Known<"unpaid" | "closed" | "paid">;
  fulfilment_status: Known<"none" | "partial" | "shipped" | "delivered" | "completed">;
  refund_status: Known<"none" | "partial" | "full">;
  lines: Line[];
  items_fen: number;
  shipping_fen: number;
  discounts: Discount[];
  discount_fen: number;
  points_redeemed: number;
  points_discount_fen: number;
  total_fen: number;
  paid_fen: number;
  refunded_fen: number;
  points_earned: number;
  shipments: ShipmentChange[];
  placed_at: Instant;
  paid_at: Instant | null;
  completed_at: Instant | null;
  updated_at: Instant;
  version: number;
  history?: boolean;
}

export interface ShipmentChange {
  id: string;
  carrier: string;
  carrier_name: string;
  tracking_number: string;
  state: string;
  lines: ShippedLine[];
  events: TrackingChange[];
}

export interface TrackingChange {
  at: Instant;
  state: string;
  place: string;
}

export interface Posted {
  entry: Entry;
  balance: Balance;
}

export interface Balance {
  available: number;
  pending: number;
  held: number;
  debt: number;
  version: number;
}

export interface ExpiringSoon {
  points: number;
  at: Instant;
  balance: Balance;
}

export interface TierChange {
  from: string | null;
  to: string;
  at: Instant;
}

export type HubEvent =
  | CloudEvent<"member.registered" | "member.updated" | "member.erased", MemberChange>
  | CloudEvent<"member.identity_linked" | "member.identity_unlinked", IdentityChange>
  | CloudEvent<"member.consent_granted" | "member.consent_withdrawn", ConsentChange>
  | CloudEvent<"member.merged" | "member.unmerged", MergeChange>
  | CloudEvent<"member.frozen" | "member.unfrozen", FreezeChange>
  | CloudEvent<"order.placed" | "order.updated" | "order.paid" | "order.cancelled" | "order.completed" |
    "order.shipped" | "order.tracking_updated" | "order.delivered" | "order.refund_requested" | "order.refunded" |
    "order.claimed", OrderChange>
  | CloudEvent<"points.earned" | "points.spent" | "points.held" | "points.released" | "points.reversed" |
    "points.expired" | "points.adjusted", Posted>
  | CloudEvent<"points.expiring", ExpiringSoon>
  | CloudEvent<"tier.changed", TierChange>;

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
  status?: Order["status"];
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

  policies(): Promise<{ results: OfferedPolicy[] }>;
  sendCode(purpose: "sign_in" | "link", phone: string, captcha?: string): Promise<Sent>;
  sendCode(purpose: "step_up"): Promise<Sent>;
  signInByPhone(challengeId: string, code: string, consents?: ConsentIn[]): Promise<Session>;
  signInByMiniProgram(consents?: ConsentIn[], code?: string): Promise<Session>;
  startWebsiteSignIn(): Promise<Begun>;
  finishWebsiteSignIn(
    returned: { code: string; state: string; verifier?: string },
    consents?: ConsentIn[],
  ): Promise<Session>;
  register(registrationToken: string, consents: ConsentIn[]): Promise<Session>;
  signInByGrant(grant: string): Promise<Session>;
  linkPhone(challengeId: string, code: string): Promise<Session>;
  linkWechatPhone(code: string): Promise<Session>;
  changePhone(challengeId: string, code: string): Promise<Session>;
  stepUp(challengeId: string, code: string): Promise<SteppedUp>;
  linkCase(id: string): Promise<LinkCase>;
  sendLinkCaseCode(id: string, kind: string): Promise<Sent>;
  proveLinkCase(id: string, proof: LinkProof): Promise<Session>;
  declineLinkCase(id: string): Promise<null>;
  signOut(): Promise<void>;
  sessions(query?: PageQuery): CursorList<SignedIn>;
  endSession(id: string): Promise<null>;

  me(): Promise<Me>;
  updateMe(changes: Partial<ProfileIn>): Promise<Me>;
  /** A Blob or File in a browser, the path of a temporary file in a mini-program. */
  uploadAvatar(file: Blob | string): Promise<Me>;
  addresses(query?: PageQuery): CursorList<Address>;
  address(id: string): Promise<Address>;
  addAddress(address: OwnAddressIn, options?: Keyed): Promise<Address>;
  updateAddress(id: string, changes: Partial<OwnAddressIn>): Promise<Address>;
  removeAddress(id: string): Promise<null>;
  removeIdentity(id: string): Promise<null>;
  consents(): Promise<{ results: Consent[] }>;
  giveConsent(consent: ConsentIn, options?: Keyed): Promise<Consent>;
  withdrawConsent(purpose: string): Promise<null>;
  requestExport(options?: Keyed): Promise<ExportAsked>;
  exportOf(id: string): Promise<Export>;
  requestErasure(options?: Keyed): Promise<Erasure>;
  cancelErasure(): Promise<null>;

  orders(query?: OrderQuery): CursorList<Order>;
  order(number: string): Promise<Order>;
  pay(number: string, method: PaymentMethod, options?: Keyed): Promise<Payment>;
  cancelOrder(number: string, options?: Keyed): Promise<Order>;
  confirmReceipt(number: string, options?: Keyed): Promise<Order>;
  requestRefund(number: string, refund: MyRefundIn, options?: Keyed): Promise<Refund>;
  points(): Promise<Points>;
  pointEntries(query?: PageQuery): CursorList<Entry>;
  memberCode(): Promise<MemberCode>;
  noticeTemplates(): Promise<{ results: NoticeTemplate[] }>;
  answerNotice(
    templateId: string,
    result: "accept" | "reject" | "ban" | "filter",
    options?: Keyed,
  ): Promise<NoticeAnswer>;
  events(after?: number): AsyncIterableIterator<HubEvent>;

  /** Any other call of the contract: its JSON, or a HubError. */
  request<T = any>(method: string, path: string, options?: RequestOptions): Promise<T>;
}

/** Every text of the page, Chinese and English, and which of the two is on. */
const PLACE = "hub.sandbox.language";

const WORDS = {
  title: ["会员中台", "Member hub"],
  subtitle: ["两个渠道 · 一位会员 · 同一时刻", "Two channels, one member, one moment"],
  language: ["English", "中文"],
  person: ["演示顾客", "Demo customer"],
  next_person: ["换一位顾客", "New customer"],
  demo: ["播放演示", "Play the demo"],
  demo_stop: ["停止演示", "Stop the demo"],
  demo_failed: [
    "演示停在这一步：没有等到「{what}」。可再播放一次，或手动继续。",
    "The demo stopped here: “{what}” did not appear. Play it again or go on by hand.",
  ],
  story: ["演示步骤", "The story"],
  step_website: ["网站注册", "Sign up on the website"],
  step_mini: ["小程序微信登录", "WeChat sign-in"],
  step_same: ["识别为同一会员", "Known as one member"],
  step_name: ["改昵称，对侧即变", "Rename, seen across"],
  step_order: ["小程序下单", "Order in WeChat"],
  step_paid: ["支付，获得积分", "Pay, earn points"],

  website: ["网站", "Website"],
  "mini-program": ["小程序", "Mini-program"],
  live: ["实时", "Live"],
  connecting: ["连接中", "Connecting"],
  reconnecting: ["重连中", "Reconnecting"],
  closed: ["未连接", "Offline"],

  hub: ["会员中台", "Member hub"],
  hub_two: ["两侧各是一位会员", "A member on each side"],
  hub_one: ["同一会员", "One member"],
  hub_half: ["一侧已登录", "One side signed in"],
  hub_none: ["等待登录", "Waiting for a sign-in"],
  latest: ["最近一次到达对侧", "Latest, to the other side"],
  median: ["中位", "Median"],
  slowest: ["最长", "Slowest"],
  facts: ["变化", "Changes"],
  arrivals: ["到达记录", "Arrivals"],
  arrivals_empty: [
    "登录任意一侧后，每一个变化到达网站和小程序的时刻都会记在这里。",
    "Sign in on either side: each change is noted here as it reaches the website and the mini-program.",
  ],
  arrivals_note: [
    "从操作开始到事件抵达该侧长连接；斜线后：从事件写入算起的毫秒数。",
    "From the act to the event at that side's socket; after the slash, ms since the event was recorded.",
  ],
  since_event: ["其中事件写入后 {time}", "{time} of it after the recording"],
  late: ["补收", "Caught up"],
  arrived: ["{type}，{side} {ms} 毫秒到达", "{type}, reached the {side} in {ms} milliseconds"],

  brand: ["青屿", "QINGYU"],
  brand_line: ["一方茶事", "Tea, simply"],
  nav_tea: ["茶叶", "Tea"],
  nav_ware: ["茶器", "Teaware"],
  nav_gift: ["礼盒", "Gifts"],
  nav_account: ["我的账户", "My account"],
  welcome: ["登录青屿", "Sign in to Qingyu"],
  welcome_note: [
    "网站与小程序共用一个账户，订单、积分、等级处处一致。",
    "One account for the website and the mini-program: the same orders, points and tier everywhere.",
  ],
  by_phone: ["手机验证码", "Text message"],
  by_qr: ["微信扫码", "WeChat scan"],
  phone: ["手机号", "Mobile number"],
  code: ["验证码", "Code"],
  send_code: ["获取验证码", "Send code"],
  resend: ["{n} 秒后重发", "Again in {n} s"],
  sign_in: ["登录 / 注册", "Sign in or sign up"],
  sms_hint: ["短信验证码 {code}，已自动填入", "Text message: code {code}, filled in for you"],
  sms_wait: ["短信发送中…", "The message is on its way…"],
  sms_none: ["沙箱没有收到短信，请稍后重新获取。", "No message reached the sandbox. Ask for another code in a moment."],
  sandbox: ["沙箱", "Sandbox"],
  qr_user: ["用谁的微信扫码", "Whose WeChat scans"],
  qr_note: [
    "真实环境由微信扫一扫完成；沙箱里点下方按钮代替。",
    "A phone would scan this; in the sandbox the button below does.",
  ],
  qr_scan: ["模拟扫码确认", "Simulate the scan"],
  qr_loading: ["正在取二维码…", "Fetching the code…"],
  wechat_of: ["{name} 的微信", "{name}'s WeChat"],
  wechat_new: ["（首次）", "(first time)"],
  back: ["返回", "Back"],

  consent_title: ["注册前请确认", "Before you join"],
  consent_note: [
    "成为会员需要你同意以下条款。未同意前不会保存你的个人信息。",
    "Membership needs your agreement to these. Nothing of you is stored before that.",
  ],
  consent_read: ["我已阅读并同意", "I have read and agree to the"],
  consent_agree: ["同意并注册", "Agree and join"],
  policy_title: ["《{title}》", "{title}"],
  and: ["", " and "],
  agree_first: ["请先阅读并勾选同意协议，再登录。", "Please read and tick the agreement, then sign in."],

  mini_title: ["青屿会员", "Qingyu Club"],
  mini_welcome: ["喝茶，慢一点", "Slow down, have tea"],
  mini_welcome_note: ["登录后即可查看你的订单与积分", "Sign in to see your orders and points"],
  mini_sign_in: ["微信一键登录", "Continue with WeChat"],
  mini_user: ["微信用户 · {name}", "WeChat user · {name}"],
  bind_title: ["绑定手机号，找回网站的订单与积分", "Add your phone to find your website orders and points"],
  bind: ["绑定手机", "Add phone"],
  phone_ask: ["申请获取并验证你的手机号", "wants to use your phone number"],
  phone_use: ["微信绑定的号码", "Number in WeChat"],
  allow: ["允许", "Allow"],
  deny: ["不允许", "Don't allow"],

  member_number: ["会员号", "Member no."],
  no_name: ["新会员", "New member"],
  nickname: ["昵称", "Nickname"],
  save: ["保存", "Save"],
  edit: ["修改昵称", "Edit nickname"],
  cancel: ["取消", "Cancel"],
  sign_out: ["退出登录", "Sign out"],
  recognised: ["已识别为同一会员", "Known as one member"],
  recognised_note: [
    "网站与小程序现在是一个账户 {number}",
    "The website and the mini-program are now one account, {number}",
  ],
  points: ["可用积分", "Points"],
  points_pending: ["待到账 {n}，退货期满后可用", "{n} pending, usable once returns close"],
  points_note: ["每实付 1 元得 1 积分", "1 point per yuan paid"],
  tier: ["会员等级", "Tier"],
  "tier.normal": ["普通会员", "Member"],
  "tier.silver": ["银卡", "Silver"],
  "tier.gold": ["金卡", "Gold"],
  "tier.diamond": ["钻石", "Diamond"],
  tier_next: ["距{name}还差 {n}", "{n} to {name}"],
  tier_top: ["已是最高等级", "The highest tier"],
  orders: ["我的订单", "My orders"],
  orders_empty: [
    "还没有订单。在任意一侧下单，两侧同时出现。",
    "No orders yet. Place one on either side: it appears on both.",
  ],
  entries: ["积分明细", "Points history"],
  entries_empty: ["支付成功后，积分会记在这里。", "Points appear here once an order is paid."],
  shop: ["为你推荐", "Picked for you"],
  order: ["立即下单", "Order now"],
  pay: ["去支付", "Pay"],
  placed_on: ["{channel}下单", "{channel}"],
  earned: ["+{n} 积分", "+{n} points"],
  pay_title: ["微信支付", "WeChat Pay"],
  pay_scan: ["微信扫码支付", "Scan to pay with WeChat"],
  pay_now: ["确认支付", "Pay now"],
  pay_simulate: ["模拟支付成功", "Simulate payment"],
  pay_note: ["微信支付替身将发出签名、加密的支付通知", "The WeChat Pay stand-in sends a signed, encrypted notice"],
  pay_wait: ["等待支付结果…", "Waiting for the payment…"],
  case_note: [
    "该手机号属于另一位持有订单或积分的会员，需要核实后才能合并（核实单 {id}）。",
    "This phone belongs to another member with orders or points: they join only after a check (case {id}).",
  ],

  pending_payment: ["待付款", "To pay"],
  paid: ["待发货", "To ship"],
  partially_shipped: ["部分发货", "Partly shipped"],
  shipped: ["待收货", "On its way"],
  delivered: ["已签收", "Delivered"],
  completed: ["已完成", "Completed"],
  cancelled: ["已关闭", "Closed"],
  refunding: ["退款中", "Refunding"],
  partially_refunded: ["部分退款", "Partly refunded"],
  refunded: ["已退款", "Refunded"],

  "member.registered": ["会员注册", "Member registered"],
  "member.updated": ["资料更新", "Profile updated"],
  "member.erased": ["账号注销", "Account erased"],
  "member.identity_linked": ["身份绑定", "Identity linked"],
  "member.identity_unlinked": ["身份解绑", "Identity removed"],
  "member.consent_granted": ["授权同意", "Consent granted"],
  "member.consent_withdrawn": ["撤回同意", "Consent withdrawn"],
  "member.merged": ["会员合并", "Members merged"],
  "member.unmerged": ["撤销合并", "Merge undone"],
  "member.frozen": ["会员冻结", "Member frozen"],
  "member.unfrozen": ["解除冻结", "Member unfrozen"],
  "order.placed": ["下单", "Order placed"],
  "order.updated": ["订单变更", "Order updated"],
  "order.paid": ["支付成功", "Payment received"],
  "order.cancelled": ["订单关闭", "Order closed"],
  "order.shipped": ["发货", "Shipped"],
  "order.tracking_updated": ["物流更新", "Tracking updated"],
  "order.delivered": ["签收", "Delivered"],
  "order.completed": ["订单完成", "Order completed"],
  "order.refund_requested": ["申请退款", "Refund requested"],
  "order.refunded": ["退款到账", "Refunded"],
  "order.claimed": ["订单归属", "Order claimed"],
  "points.earned": ["获得积分", "Points earned"],
  "points.to_come": ["积分待到账", "Points to come"],
  "points.spent": ["积分使用", "Points spent"],
  "points.held": ["积分预占", "Points held"],
  "points.released": ["积分释放", "Points released"],
  "points.reversed": ["积分冲回", "Points reversed"],
  "points.expired": ["积分过期", "Points expired"],
  "points.adjusted": ["积分调整", "Points adjusted"],
  "points.expiring": ["积分即将过期", "Points about to expire"],
  "tier.changed": ["等级变化", "Tier changed"],

  error_network: ["连不上服务，请检查后重试。", "The hub did not answer. Check that it runs, then try again."],
  error_code_invalid: ["验证码不对或已过期，请重新获取。", "The code is wrong or has expired. Ask for a new one."],
  error_wechat_code_invalid: ["微信授权已失效，请再试一次。", "WeChat's permission has expired. Try again."],
  error_wechat_unavailable: ["微信暂时没有回应，请稍后再试。", "WeChat does not answer right now. Try again shortly."],
  error_too_many_attempts: ["尝试次数过多，请稍后再试。", "Too many tries. Wait a little, then try again."],
  error_rate_limited: ["操作太频繁，请 {n} 秒后再试。", "Too many requests. Try again in {n} s."],
  error_member_frozen: ["该会员已被冻结，请联系客服。", "This member is frozen. Please ask customer service."],
  error_version_conflict: [
    "资料刚在别处改过，已显示最新内容，请确认后再保存。",
    "It was just changed elsewhere. The newest is shown now: check it, then save again.",
  ],
  error_payment_in_progress: ["这笔订单正在付款中，请稍候。", "A payment for this order is under way. Please wait."],
  error_order_state: ["订单状态已变化，已刷新。", "The order has moved on. It has been refreshed."],
  error_openid_required: [
    "当前登录没有本小程序的微信身份，已改用扫码支付。",
    "This session has no WeChat identity here: pay by scanning instead.",
  ],
  error_unavailable: ["服务暂时繁忙，请稍后再试。", "The hub is busy. Try again shortly."],
  error_timeout: ["服务响应超时，可以放心再试一次。", "The hub took too long. It is safe to try again."],
  error_session: ["登录已失效，请重新登录。", "You have been signed out. Please sign in again."],
  error_merged: ["该账户已并入另一位会员，请重新登录。", "This account was merged into another. Please sign in again."],
  error_request: ["请求编号 {id}", "Request {id}"],
};

let language = localStorage.getItem(PLACE) === "en" ? "en" : "zh";

export const current = () => language;
/** For `Accept-Language`. */
export const tag = () => (language === "zh" ? "zh-hans" : "en");

export function toggle() {
  language = language === "zh" ? "en" : "zh";
  localStorage.setItem(PLACE, language);
}

/** @param {string} key @param {Record<string, any>} [values] for {name} in the text; an unknown key shows itself */
export function t(key, values = {}) {
  const text = WORDS[key]?.[language === "zh" ? 0 : 1] ?? key;
  return text.replace(/\{(\w+)\}/g, (_, name) => String(values[name] ?? ""));
}

export const has = (key) => key in WORDS;

/** What to do about a refusal, in the reader's language. @param {import("./hub-error.js").HubError} error */
export function advice(error) {
  if (!has(`error_${error.code}`))
    return error.fieldErrors?.[0]?.detail || error.detail || error.title || error.message;
  return t(`error_${error.code}`, { n: error.retryAfter || 60 });
}

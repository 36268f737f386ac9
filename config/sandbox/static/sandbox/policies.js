/** The texts a person agrees to on becoming a member. */
const ORDER = ["terms", "privacy"];

/** What a policy's agreement is sent as. */
export const asConsent = ({ purpose, version }) => ({ purpose, version });

/** The policies without which nobody becomes a member, the terms first. */
export const toAgreeTo = (policies) =>
  policies.filter(({ required }) => required).sort((a, b) => ORDER.indexOf(a.purpose) - ORDER.indexOf(b.purpose));

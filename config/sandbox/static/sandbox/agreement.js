/** What a person agrees to: a row on every way in, and the list when the hub asks once more. */
import { h } from "./dom.js";
import { id, submits, told } from "./pieces.js";
import { t } from "./words.js";

const link = ({ title, text_url: url }) =>
  h("a", { href: url, target: "_blank", rel: "noopener" }, t("policy_title", { title }));

/** One tick for all that the channel requires, never set beforehand. @param {import("./side.js").Side} side */
export function agreement(side) {
  if (!side.policies?.length) return null;
  return h(
    "label.agreement",
    { key: "agreement", "data-missing": side.unagreed ? "yes" : null },
    h("input", {
      type: "checkbox",
      testid: id(side, "agree"),
      checked: side.agreed,
      focus: side.unagreed,
      "aria-invalid": side.unagreed ? "true" : null,
      onchange: ({ target }) => side.set({ agreed: target.checked, unagreed: false, error: "" }),
    }),
    h(
      "span",
      null,
      t("consent_read"),
      " ",
      side.policies.map((policy, index) => [index ? t("and") : null, link(policy)]),
    ),
  );
}

/** The texts have changed, or nothing was ticked: the hub names what is missing. */
export function consent(side) {
  const row = (policy, index) =>
    h(
      "li",
      { key: policy.purpose },
      h(
        "label",
        null,
        h("input", { type: "checkbox", required: true, focus: index === 0, testid: "consent-check" }),
        h("span", null, t("consent_read"), " ", link(policy), h("small", null, ` ${policy.version}`)),
      ),
    );
  const back = () => side.set({ consent: null, error: "" });
  return h(
    "form.consent",
    { key: "consent", onsubmit: submits(() => side.agree()) },
    h("h2", null, t("consent_title")),
    h("p", null, t("consent_note")),
    h("ul", null, side.consent.required.map(row)),
    told(side),
    h(
      "div.choices",
      null,
      h("button.quiet", { type: "button", testid: "consent-back", onclick: back }, t("back")),
      h("button.primary", { testid: "consent-agree", disabled: side.busy === "agree" }, t("consent_agree")),
    ),
  );
}

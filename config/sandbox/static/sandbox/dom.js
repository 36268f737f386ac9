/**
 * Build elements and bring what is on the page to what it should be, keeping focus, typing and motion.
 * Text only ever enters as text: nothing here parses HTML.
 */
const SVG = "http://www.w3.org/2000/svg";
const EVENTS = ["onclick", "onsubmit", "oninput", "onchange", "onkeydown"];
const given = Symbol("the value last given to a field");
const ticked = Symbol("whether a box is ticked, for those that are told");

/**
 * @param {string} tag name with classes: "button.primary"
 * @param {Record<string, any>|null} [props] on…: listeners · testid, key, flash, focus → data-…
 *   · value, checked: of a field
 * @param {...any} children strings, nodes, arrays; null and false are left out
 */
export function h(tag, props, ...children) {
  const [name, ...classes] = tag.split(".");
  const element = document.createElement(name);
  if (classes.length) element.className = classes.join(" ");
  for (const [key, value] of Object.entries(props ?? {})) assign(element, key, value);
  element.append(
    ...children.flat(Infinity).filter((child) => child !== null && child !== false && child !== undefined),
  );
  return element;
}

function assign(element, key, value) {
  if (key === "checked") return void (element[ticked] = element.checked = Boolean(value));
  if (value === null || value === undefined || value === false) return;
  if (EVENTS.includes(key))
    element[key] = (event) => void value(event); // an answer of false would cancel the event
  else if (key === "value") element[given] = element.value = value;
  else if (key === "class") element.className += ` ${value}`;
  else if (["testid", "key", "flash", "focus"].includes(key)) element.dataset[key] = value;
  else element.setAttribute(key, value === true ? "" : value);
}

/** @param {string} viewBox @param {string[]} paths @param {string} className */
export function svg(viewBox, paths, className) {
  const root = document.createElementNS(SVG, "svg");
  root.setAttribute("viewBox", viewBox);
  root.setAttribute("class", className);
  root.setAttribute("aria-hidden", "true");
  if (className === "hills") root.setAttribute("preserveAspectRatio", "none");
  for (const d of paths) {
    const path = document.createElementNS(SVG, "path");
    path.setAttribute("d", d);
    root.append(path);
  }
  return root;
}

/** Make `place` hold exactly `nodes`. @param {Element} place @param {...any} nodes */
export function render(place, ...nodes) {
  const wanted = document.createElement("div");
  wanted.append(...nodes.flat(Infinity).filter(Boolean));
  patchChildren(place, wanted);
  attend(place);
}

let opener = "";
const attended = new WeakSet();

/** What newly asks for focus gets it; when that is gone, focus returns to where it came from, or to the frame. */
function attend(place) {
  const elements = [...place.querySelectorAll("[data-focus]")];
  const asking = elements.find((element) => !attended.has(element) && !element.disabled);
  if (asking) {
    attended.add(asking);
    opener = held.element.dataset?.testid ?? "";
    asking.focus();
    asking.select?.();
  } else if (held.place === place && document.activeElement === document.body && !held.element.isConnected) {
    (document.querySelector(`[data-testid="${opener}"]:not(:disabled)`) ?? place).focus();
    opener = "";
  }
}

let held = { element: document.body, place: /** @type {Element|null} */ (null) };
document.addEventListener(
  "focusin",
  ({ target }) => (held = { element: target, place: target.closest("section[tabindex]") }),
);

function patchChildren(old, wanted) {
  const keyed = new Map(
    [...old.children].filter((child) => child.dataset?.key).map((child) => [child.dataset.key, child]),
  );
  let at = old.firstChild;
  for (const fresh of [...wanted.childNodes]) {
    const same = counterpart(at, fresh, keyed);
    if (!same) old.insertBefore(fresh, at);
    else if (same === at) at = at.nextSibling;
    else old.insertBefore(same, at);
    if (same) patch(same, fresh);
  }
  while (at) {
    const gone = at;
    at = at.nextSibling;
    gone.remove();
  }
}

function counterpart(at, fresh, keyed) {
  const key = fresh.dataset?.key;
  const candidate = key ? keyed.get(key) : at?.dataset?.key ? null : at;
  return candidate && candidate.nodeName === fresh.nodeName ? candidate : null;
}

function patch(old, fresh) {
  if (old.nodeType !== Node.ELEMENT_NODE) {
    if (old.data !== fresh.data) old.data = fresh.data;
    return;
  }
  if (old.dataset.flash && fresh.dataset.flash !== old.dataset.flash) glow(old);
  patchAttributes(old, fresh);
  for (const name of EVENTS) old[name] = fresh[name];
  if (fresh[given] !== undefined && fresh[given] !== old[given]) old[given] = old.value = fresh[given];
  if (fresh[ticked] !== undefined) old.checked = fresh[ticked];
  patchChildren(old, fresh);
}

function patchAttributes(old, fresh) {
  for (const { name } of [...old.attributes]) if (!fresh.hasAttribute(name)) old.removeAttribute(name);
  for (const { name, value } of fresh.attributes) {
    if (name === "style")
      old.style.cssText = fresh.style.cssText; // the attribute itself is not the policy's to allow
    else if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  }
}

function glow(element) {
  element.animate?.([{ backgroundColor: "rgb(214 160 70 / 0.32)" }, { backgroundColor: "transparent" }], {
    duration: matchMedia("(prefers-reduced-motion: reduce)").matches ? 0 : 1600,
    easing: "ease-out",
  });
}

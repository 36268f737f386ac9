// The refund page fills in what the chosen pieces come to, as the server says it; what somebody typed stays.
"use strict";
(() => {
  const form = document.getElementById("work"), all = document.getElementById("all"), fields = form.elements;
  const amounts = [...fields].filter(({ name }) => name === "shipping" || name.endsWith("-fen"));
  const pieces = amounts.map(({ name }) => fields[name.replace(/-fen$/, "")]).filter(({ name }) => name !== "shipping");
  let said = {}, asking = new AbortController();

  async function ask(what) {
    asking.abort();
    asking = new AbortController();
    const body = new FormData(form);
    body.set("fill", "1");
    if (what === "all") body.set("all", "1");
    const answer = await fetch(location.href, { method: "POST", body, signal: asking.signal });
    return answer.ok ? answer.json() : {};
  }

  async function fill(what) {
    try {
      const now = await ask(what);
      for (const [name, value] of Object.entries(now)) {
        const isOurs = what === "all" || !fields[name].value || fields[name].value === said[name];
        if (!isOurs || what === "look" || fields[name].value === value) continue;
        fields[name].value = value;
        fields[name].dispatchEvent(new Event("input", { bubbles: true }));
      }
      said = now;
    } catch (error) {
      if (error.name !== "AbortError") throw error; // a newer question is on its way
    }
  }

  for (const each of pieces) each.addEventListener("input", ({ isTrusted }) => isTrusted && fill("chosen"));
  all.addEventListener("click", (event) => { event.preventDefault(); fill("all"); });
  fill("look");
})();

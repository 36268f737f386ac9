// The adjust page says at once what will happen: posted, approved by somebody else, or refused.
"use strict";
(() => {
  const form = document.getElementById("adjust");
  (form ? form.elements.points : document.getElementById("find")).focus(); // autofocus alone comes late now and then
  if (!form) return;
  const points = form.elements.points, reason = form.elements.reason, note = form.elements.note, hint = document.getElementById("hint");
  const available = Number(document.getElementById("available").dataset.points);
  const taking = () => form.elements.way.value === "take";

  function follow() {
    const chosen = reason.selectedOptions[0], direction = chosen && chosen.dataset.direction;
    if (direction && direction !== "both") form.elements.way.value = direction;
    for (const radio of form.querySelectorAll("[name=way]")) radio.disabled = Boolean(direction) && direction !== "both" && radio.value !== direction;
    note.required = Boolean(chosen && "note" in chosen.dataset);
    say();
  }

  function say() {
    const asked = Number(points.value);
    hint.dataset.tone = "";
    hint.textContent = "";
    if (!asked) return;
    const { left, alone, over, short, approval, atOnce, after } = form.dataset;
    const refusal = asked > Number(left) ? over : taking() && asked > available ? short : "";
    hint.dataset.tone = refusal ? "bad" : asked > Number(alone) ? "busy" : "good";
    const then = (available + (taking() ? -asked : asked)).toLocaleString();
    hint.textContent = refusal || `${asked > Number(alone) ? approval : atOnce} · ${after} ${then}`;
  }

  reason.addEventListener("change", follow);
  form.addEventListener("input", say);
  form.addEventListener("submit", () => { setTimeout(() => { form.querySelector("button.hub-button").disabled = true; }); });
  addEventListener("pageshow", () => { form.querySelector("button.hub-button").disabled = false; });
  follow();
})();

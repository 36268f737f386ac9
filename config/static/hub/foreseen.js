// Whoever changes what they were shown the effect of has to look at it again before it is done.
"use strict";
(() => {
  const form = document.getElementById("work"), effect = document.getElementById("effect");
  if (!effect) return;
  form.addEventListener("input", ({ target }) => {
    if (target.name === "reason" || !effect.isConnected) return;
    effect.remove();
    const sure = form.querySelector("[name=sure]");
    sure.nextElementSibling.classList.remove("hub-button-quiet"); // "Look again" is the one way left
    sure.remove();
  });
})();

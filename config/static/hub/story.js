// The kinds of an order's story, shown and hidden; what somebody chose is kept for the next order.
(() => {
  const KEPT = "hub-story-hidden";
  const buttons = [...document.querySelectorAll(".hub-kind")];
  const story = document.querySelector(".hub-story");
  const read = () => { try { return new Set(JSON.parse(localStorage.getItem(KEPT) || "[]")); } catch { return new Set(); } };
  const hidden = read();

  function show() {
    for (const button of buttons) button.setAttribute("aria-pressed", String(!hidden.has(button.dataset.kind)));
    for (const entry of story.querySelectorAll(".hub-entry")) entry.hidden = hidden.has(entry.dataset.kind);
    for (const day of story.querySelectorAll(".hub-day")) day.hidden = !day.querySelector(".hub-entry:not([hidden])");
  }

  for (const button of buttons) {
    button.addEventListener("click", () => {
      const kind = button.dataset.kind;
      hidden.has(kind) ? hidden.delete(kind) : hidden.add(kind);
      try { localStorage.setItem(KEPT, JSON.stringify([...hidden])); } catch { /* a private window keeps nothing */ }
      show();
    });
  }
  if (story) show();
})();
